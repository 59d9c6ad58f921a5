package nodetemplate

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestMirrorCredentialsOfTheFileAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"{mirror: 'https://m/k8sm', mirrorCredentials: {secretRef: {name: s}}}":                        "",
		"{mirror: 'https://m/k8sm', mirrorCredentials: {type: Bearer, secretRef: {name: s}}}":          "",
		"{mirror: 'http://m/k8sm', mirrorCredentials: {secretRef: {name: s}, insecure: true}}":         "",
		"{mirror: 'http://m/k8sm', mirrorCredentials: {secretRef: {name: s}}}":                         "would be sent in plain text: use an https mirror, or set insecure to true",
		"{mirrorCredentials: {secretRef: {name: s}}}":                                                  "mirror is not an http or https URL",
		"{mirror: 'file:///srv', mirrorCredentials: {secretRef: {name: s}}}":                           "mirror is not an http or https URL",
		"{mirror: 'https://m', mirrorCredentials: {}}":                                                 "secretRef needs a name",
		"{mirror: 'https://m', mirrorCredentials: {type: Digest, secretRef: {name: s}}}":               `the type is "Digest"`,
		"{mirror: 'https://me:pw@m', mirrorCredentials: {secretRef: {name: s}}}":                       "mirror has a user name as well",
		"{mirror: 'https://m', mirrorCredentials: {username: me, password: pw, secretRef: {name: s}}}": "unknown field",
	} {
		_, err := ParseRuntime([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s\ngot %v, want %q", text, err, want)
		}
	}
}

func TestAuthorizationForAMirror(t *testing.T) {
	for name, test := range map[string]struct {
		bearer bool
		secret map[string]string
		want   string
		err    string
	}{
		"user and password":             {secret: map[string]string{"username": "me", "password": "s3:cret\n"}, want: "Basic " + base64.StdEncoding.EncodeToString([]byte("me:s3:cret"))},
		"a token":                       {bearer: true, secret: map[string]string{"token": "t0ken\n"}, want: "Bearer t0ken"},
		"no user":                       {secret: map[string]string{"password": "s3cret"}, err: `lacks the key "username"`},
		"no password":                   {secret: map[string]string{"username": "me"}, err: `lacks the key "password"`},
		"a user with a colon":           {secret: map[string]string{"username": "m:e", "password": "s3cret"}, err: "has a ':'"},
		"no token":                      {bearer: true, secret: map[string]string{"username": "me", "password": "s3cret"}, err: `lacks the key "token"`},
		"a token with a line break":     {bearer: true, secret: map[string]string{"token": "s3cret\nX-Evil: a"}, err: "no HTTP header may have"},
		"a token with a foreign letter": {bearer: true, secret: map[string]string{"token": "s3crét"}, err: "no HTTP header may have"},
	} {
		t.Run(name, func(t *testing.T) {
			c, data := MirrorCredentials{}, map[string][]byte{}
			if test.bearer {
				c.Type = v1alpha1.CredentialsBearer
			}
			for key, value := range test.secret {
				data[key] = []byte(value)
			}
			got, err := c.Authorization(data)
			switch {
			case test.err == "" && (err != nil || got != test.want):
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "s3cr")):
				t.Errorf("got %v, want %q", err, test.err)
			}
		})
	}
}

// The credentials are in the launch message alone. The executor, which the Mesos fetcher
// fetches, does not come from a mirror that asks for them.
func TestMirrorCredentialsAreInTheLaunchMessageAlone(t *testing.T) {
	d := nodeDefaults()
	d.Runtime.Mirror = "https://mirror.example:8443/k8sm"
	d.Runtime.MirrorCredentials = &MirrorCredentials{SecretRef: v1alpha1.SecretReference{Name: "mirror"}}
	d.Runtime.Artifacts[1].URI = "https://files.example/kubelet"
	var err error
	if d.MirrorCredentials, err = d.Runtime.ServerCredentials(map[string][]byte{"username": []byte("me"), "password": []byte("x")}); err != nil {
		t.Fatal(err)
	}
	payload, err := d.Payload(newNode(), newIntent(), "abcdef.0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(payload.Data)
	if err != nil {
		t.Fatal(err)
	}
	want := &nodeapi.ServerCredentials{Server: "https://mirror.example:8443", Authorization: "Basic bWU6eA=="}
	if diff := cmp.Diff(want, message.MirrorCredentials); diff != "" || message.Version != 2 {
		t.Errorf("version %d, credentials (-want +got):\n%s", message.Version, diff)
	}
	var uris []string
	for _, a := range message.Artifacts {
		uris = append(uris, a.URI)
	}
	if diff := cmp.Diff([]string{"http://files.example/k8sm/executor?v=1", "https://mirror.example:8443/k8sm/files.example/kubelet"}, uris); diff != "" {
		t.Errorf("URIs (-want +got):\n%s", diff)
	}
	payload.Data = nil
	if text := strings.Join([]string{payload.Command, payload.Name, payload.URIs[0].Value}, " "); strings.Contains(text, "bWU6eA==") || len(payload.URIs) != 1 {
		t.Errorf("the credentials are outside of the launch message: %s", text)
	}

	if _, err := d.Runtime.ServerCredentials(nil); err == nil {
		t.Error("there are credentials without a secret")
	}
}
