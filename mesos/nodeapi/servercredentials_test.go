package nodeapi

import (
	"net/url"
	"strings"
	"testing"
)

func TestServerCredentialsAreForOneServer(t *testing.T) {
	tls := ServerCredentials{Server: "https://mirror.example", Authorization: "Basic x"}
	plain := ServerCredentials{Server: "http://mirror.example:8080", Authorization: "Basic x", Insecure: true}
	for uri, want := range map[string]struct{ tls, plain bool }{
		"https://mirror.example/a":                    {tls: true},
		"https://MIRROR.example:443/a":                {tls: true},
		"http://mirror.example:8080/a":                {plain: true},
		"http://mirror.example/a":                     {},
		"https://mirror.example:8443/a":               {},
		"https://mirror.example:8080/a":               {},
		"https://a.mirror.example/a":                  {},
		"https://mirror.example.evil.example/a":       {},
		"https://mirror.example@evil.example/a":       {},
		"https://evil.example/https://mirror.example": {},
		"file:///mirror.example":                      {},
	} {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		if got := tls.Match(u); got != want.tls {
			t.Errorf("%s gets the credentials for TLS: %t", uri, got)
		}
		if got := plain.Match(u); got != want.plain {
			t.Errorf("%s gets the credentials for plain HTTP: %t", uri, got)
		}
	}
	plain.Insecure = false
	if u, _ := url.Parse("http://mirror.example:8080/a"); plain.Match(u) {
		t.Error("they are sent without TLS although that is not permitted")
	}
}

func TestServerCredentialsOfALaunchMessageAreChecked(t *testing.T) {
	for name, test := range map[string]struct {
		credentials ServerCredentials
		valid       bool
	}{
		"TLS":                      {ServerCredentials{Server: "https://m:8443", Authorization: "Basic s3cret"}, true},
		"plain, as permitted":      {ServerCredentials{Server: "http://m", Authorization: "Basic s3cret", Insecure: true}, true},
		"plain":                    {ServerCredentials{Server: "http://m", Authorization: "Basic s3cret"}, false},
		"a path":                   {ServerCredentials{Server: "https://m/a", Authorization: "Basic s3cret"}, false},
		"a user":                   {ServerCredentials{Server: "https://me@m", Authorization: "Basic s3cret"}, false},
		"no host":                  {ServerCredentials{Server: "https:", Authorization: "Basic s3cret"}, false},
		"another scheme":           {ServerCredentials{Server: "ftp://m", Authorization: "Basic s3cret", Insecure: true}, false},
		"a malformed server":       {ServerCredentials{Server: "https://[::1", Authorization: "Basic s3cret"}, false},
		"nothing to send":          {ServerCredentials{Server: "https://m"}, false},
		"a header with line break": {ServerCredentials{Server: "https://m", Authorization: "Basic s3cret\r\nX: y"}, false},
	} {
		l := testLaunch()
		l.MirrorCredentials = &test.credentials
		data, err := l.Encode()
		if (err == nil) != test.valid || err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want it valid: %t", name, err, test.valid)
		}
		if !test.valid {
			continue
		}
		// An executor that is too old for them reads the message, and asks without.
		if l.Version != 1 {
			t.Errorf("%s: the message has the version %d", name, l.Version)
		}
		if _, err := decodeV1(data); err != nil {
			t.Errorf("%s: an executor of the first release refuses the message: %v", name, err)
		}
	}
}

func TestAnUpgradeRequestMayHaveCredentials(t *testing.T) {
	kubelet := Artifact{Name: ArtifactKubelet, Type: ArtifactTypeBinary, URI: "https://m/kubelet", SHA256: strings.Repeat("a", 64)}
	data, err := (&UpgradeRequest{Kubelet: kubelet, MirrorCredentials: &ServerCredentials{Server: "https://m", Authorization: "Basic s3cret"}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := DecodeUpgradeRequest(data); err != nil || r.Version != 1 || r.MirrorCredentials == nil || r.MirrorCredentials.Authorization != "Basic s3cret" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := (&UpgradeRequest{Kubelet: kubelet, MirrorCredentials: &ServerCredentials{Server: "http://m", Authorization: "Basic s3cret"}}).Encode(); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("credentials for a server without TLS: %v", err)
	}
}
