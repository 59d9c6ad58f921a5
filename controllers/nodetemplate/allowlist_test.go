package nodetemplate

import (
	"strings"
	"testing"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestArtifactsAreAllowedBelowAPrefix(t *testing.T) {
	tests := map[string]struct {
		prefixes string // separated by blanks
		uri      string
		allowed  bool
	}{
		"without prefixes everything is":            {"", "https://evil.example/a", true},
		"a file in the folder":                      {"https://files.example/k8sm", "https://files.example/k8sm/kubelet", true},
		"a file far below the folder":               {"https://files.example/k8sm/", "https://files.example/k8sm/v1.37/bin/kubelet", true},
		"the prefix itself":                         {"https://files.example/kubelet", "https://files.example/kubelet", true},
		"a whole server":                            {"https://files.example", "https://files.example/a", true},
		"a whole server with a slash":               {"https://files.example/", "https://files.example/a/b", true},
		"the second prefix":                         {"https://a.example https://b.example/x", "https://b.example/x/y", true},
		"a query":                                   {"https://files.example/k8sm", "https://files.example/k8sm/a?version=../1", true},
		"a plus sign that is escaped":               {"https://files.example/k8sm", "https://files.example/k8sm/v1.37.2%2Bk3s1/kubelet", true},
		"a folder whose name is no dots":            {"https://files.example/k8sm", "https://files.example/k8sm/..a/...", true},
		"the host in capitals":                      {"https://files.example/k8sm", "HTTPS://FILES.Example/k8sm/a", true},
		"the prefix's host in capitals":             {"https://FILES.example/k8sm", "https://files.example/k8sm/a", true},
		"the default port":                          {"https://files.example/k8sm", "https://files.example:443/k8sm/a", true},
		"the default port of the prefix":            {"http://files.example:80/k8sm", "http://files.example/k8sm/a", true},
		"an IPv6 address":                           {"https://[fd00::1]:8443/k8sm", "https://[fd00::1]:8443/k8sm/a", true},
		"a file of the agent":                       {"file:///opt/k8sm", "file:///opt/k8sm/kubelet", true},
		"every file of the agent":                   {"file:///", "file:///opt/kubelet", true},
		"another server":                            {"https://files.example/k8sm", "https://evil.example/k8sm/a", false},
		"a server whose name begins like it":        {"https://files.example", "https://files.example.evil.example/a", false},
		"a server below it":                         {"https://files.example", "https://a.files.example/a", false},
		"a folder whose name begins like it":        {"https://files.example/k8sm", "https://files.example/k8sm-evil/a", false},
		"a file whose name begins like it":          {"https://files.example/k8sm/", "https://files.example/k8sm", false},
		"the folder above":                          {"https://files.example/k8sm", "https://files.example/a", false},
		"a folder in other capitals":                {"https://files.example/k8sm", "https://files.example/K8SM/a", false},
		"another port":                              {"https://files.example/k8sm", "https://files.example:8443/k8sm/a", false},
		"plain HTTP instead of TLS":                 {"https://files.example/k8sm", "http://files.example/k8sm/a", false},
		"TLS at the port of plain HTTP":             {"http://files.example/k8sm", "https://files.example:80/k8sm/a", false},
		"a file of the agent instead of a server":   {"https://files.example/k8sm", "file:///files.example/k8sm/a", false},
		"a file elsewhere":                          {"file:///opt/k8sm", "file:///opt/evil", false},
		"a file on another host":                    {"file:///opt/k8sm", "file://evil.example/opt/k8sm/a", false},
		"two dots":                                  {"https://files.example/k8sm", "https://files.example/k8sm/../evil/a", false},
		"two dots that stay inside":                 {"https://files.example/k8sm", "https://files.example/k8sm/a/../b", false},
		"two dots at the end":                       {"file:///opt/k8sm", "file:///opt/k8sm/..", false},
		"two dots in a file URI":                    {"file:///opt/k8sm", "file:///opt/k8sm/../../root/a", false},
		"escaped dots":                              {"https://files.example/k8sm", "https://files.example/k8sm/%2e%2e/evil", false},
		"one escaped dot":                           {"https://files.example/k8sm", "https://files.example/k8sm/.%2E/evil", false},
		"dots that are escaped twice":               {"https://files.example/k8sm", "https://files.example/k8sm/%252e%252e/evil", false},
		"dots and an escaped slash":                 {"https://files.example/k8sm", "https://files.example/k8sm/..%2Fevil", false},
		"dots and an escaped backslash":             {"https://files.example/k8sm", "https://files.example/k8sm/..%5cevil", false},
		"dots with a parameter":                     {"https://files.example/k8sm", "https://files.example/k8sm/..;a=b/evil", false},
		"dots with an escaped parameter":            {"https://files.example/k8sm", "https://files.example/k8sm/..%3Ba/evil", false},
		"an escaped line break":                     {"https://files.example/k8sm", "https://files.example/k8sm/a%0d%0ab", false},
		"an escape that is none":                    {"https://files.example/k8sm", "https://files.example/k8sm/%zz", false},
		"two slashes":                               {"https://files.example/k8sm", "https://files.example/k8sm//evil.example/a", false},
		"two slashes in front":                      {"https://files.example/", "https://files.example//evil.example/a", false},
		"the server as a user name":                 {"https://files.example", "https://files.example@evil.example/a", false},
		"the server as user and password":           {"https://files.example", "https://files.example:443@evil.example/a", false},
		"a user name before the right server":       {"https://files.example", "https://me@files.example/a", false},
		"a fragment":                                {"https://files.example/k8sm", "https://files.example/k8sm/a#@evil.example/", false},
		"an empty fragment":                         {"https://files.example/k8sm", "https://files.example/k8sm/a#", false},
		"a backslash":                               {"https://files.example", `https://files.example\@evil.example/a`, false},
		"a tab":                                     {"https://files.example", "https://files.example/\ta", false},
		"letters that look like others":             {"https://files.example", "https://fıles.example/a", false},
		"an escaped host":                           {"https://files.example", "https://files%2Eexample/a", false},
		"no host":                                   {"https://files.example", "https:///k8sm/a", false},
		"no slashes":                                {"https://files.example", "https:files.example/a", false},
		"another scheme":                            {"https://files.example", "hdfs://files.example/a", false},
		"a path without a scheme":                   {"file:///opt", "/opt/a", false},
		"a malformed URI":                           {"https://files.example", "https://[::1/a", false},
		"nothing":                                   {"https://files.example", "", false},
		"a query in a file URI":                     {"file:///opt/k8sm", "file:///opt/k8sm/a?../../evil", false},
		"a prefix that is malformed allows nothing": {"files.example", "files.example/a", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := Runtime{AllowedArtifacts: strings.Fields(test.prefixes)}
			if why := r.refusal(test.uri); (why == "") != test.allowed {
				t.Errorf("%s below %s is refused with %q, want it allowed: %t", test.uri, test.prefixes, why, test.allowed)
			}
		})
	}
}

func TestArtifactsOfTheOperatorsFileAreAlwaysAllowed(t *testing.T) {
	r := nodeDefaults().Runtime
	r.AllowedArtifacts = []string{"https://files.example/k8sm"}
	spec := v1alpha1.NodeTemplateSpec{}
	if reason, message := r.Check(spec); reason != "" {
		t.Errorf("a template without artifacts is refused: %s", message)
	}
	r.Versions = []RuntimeVersion{{Name: "v1.36.4", Artifacts: []v1alpha1.Artifact{{Name: "kubelet", URI: "file:///opt/kubelet-1.36.4"}}}}
	for _, uri := range []string{"file:///opt/kubelet", "file:///opt/kubelet-1.36.4"} {
		spec.Runtime.Artifacts = []v1alpha1.Artifact{{Name: "kubelet", URI: uri}}
		if reason, message := r.Check(spec); reason != "" {
			t.Errorf("an artifact of the file is refused: %s", message)
		}
	}
	spec.Runtime.Artifacts[0].URI += "-other"
	if reason, _ := r.Check(spec); reason != v1alpha1.ReasonArtifactsNotAllowed {
		t.Errorf("an artifact beside that of the file has the reason %q", reason)
	}
}

func TestTheRefusalNamesArtifactsAndPrefixesAndNoPasswords(t *testing.T) {
	r := Runtime{AllowedArtifacts: []string{"https://files.example/k8sm", "file:///opt/k8sm"}}
	spec := v1alpha1.NodeTemplateSpec{Runtime: v1alpha1.NodeRuntime{Artifacts: []v1alpha1.Artifact{
		{Name: "kubelet", URI: "https://token:s3cret@evil.example/kubelet"}, {Name: "runc", URI: "https://files.example/k8sm/runc"},
		{Name: "ctr", URI: "https://t0ken@evil.example/ctr?signature=s3cret"}, {Name: "tool", URI: "https://evil.example/tool"},
	}}}
	reason, message := r.Check(spec)
	if reason != v1alpha1.ReasonArtifactsNotAllowed {
		t.Fatalf("the reason is %q", reason)
	}
	for _, want := range []string{`"kubelet" (https://xxxxx@evil.example/kubelet has a user name`, `"tool" (https://evil.example/tool lies elsewhere)`,
		"allowedArtifacts", "allows: https://files.example/k8sm, file:///opt/k8sm."} {
		if !strings.Contains(message, want) {
			t.Errorf("%q is not in: %s", want, message)
		}
	}
	for _, unwanted := range []string{"s3cret", "t0ken", "runc"} {
		if strings.Contains(message, unwanted) {
			t.Errorf("%q is in: %s", unwanted, message)
		}
	}
	for range 100 {
		spec.Runtime.Artifacts = append(spec.Runtime.Artifacts, v1alpha1.Artifact{Name: "a", URI: "https://evil.example/" + strings.Repeat("a", 2000)})
	}
	if _, message := r.Check(spec); len(message) > maxMessage {
		t.Errorf("the message has %d bytes", len(message))
	}
}

func TestWhatIsWrongWithATemplateItselfComesFirst(t *testing.T) {
	bad := spec(`{"maxPod": 30}`)
	bad.Runtime.Artifacts = []v1alpha1.Artifact{{Name: "kubelet", URI: "https://evil.example/a"}}
	if reason, _ := (Runtime{AllowedArtifacts: []string{"file:///opt"}}).Check(bad); reason != v1alpha1.ReasonKubeletConfigInvalid {
		t.Errorf("the reason is %q", reason)
	}
}

func TestPrefixesOfTheFileAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"allowedArtifacts: ['https://files.example/k8sm', 'file:///opt/', 'http://[fd00::1]:80']": "",
		"allowedArtifacts: [files.example]":                  `"files.example" is not an http or https URL`,
		"allowedArtifacts: ['ftp://files.example']":          "is not an http or https URL",
		"allowedArtifacts: ['https://files.example/a/../b']": "has '.', '..'",
		"allowedArtifacts: ['https://files.example/*?x']":    "has a query",
		"allowedArtifacts: ['https://me:pw@files.example']":  "xxxxx@files.example\" has a user name",
		"allowedArtifacts: ['']":                             "is not an http or https URL",
		"allowedArtifacts: https://files.example":            "parsing the node runtime",
	} {
		_, err := ParseRuntime([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\ngot %v, want %q", text, err, want)
		}
	}
}
