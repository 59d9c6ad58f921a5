package artifact

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const mirrorContent = "a kubelet"

// mirrorServers are servers that note the Authorization headers that they got.
type mirrorServers struct {
	t     *testing.T
	roots *x509.CertPool
	mu    sync.Mutex
	got   map[string][]string
}

// start starts a server that redirects to another address, or serves the content.
func (m *mirrorServers) start(name string, isTLS bool, redirect *string) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.got[name] = append(m.got[name], r.Header.Get("Authorization"))
		m.mu.Unlock()
		if redirect != nil && r.URL.Path == "/a" {
			http.Redirect(w, r, *redirect, http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(mirrorContent))
	}))
	if isTLS {
		s.StartTLS()
		m.roots.AddCert(s.Certificate())
	} else {
		s.Start()
	}
	m.t.Cleanup(s.Close)
	return s
}

// cache returns a cache that trusts the servers, with credentials.
func (m *mirrorServers) cache(credentials *nodeapi.ServerCredentials) *Cache {
	cache := testCache(m.t)
	cache.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: m.roots}}}
	cache.Authorize(credentials)
	return cache
}

func newMirrorServers(t *testing.T) *mirrorServers {
	return &mirrorServers{t: t, roots: x509.NewCertPool(), got: map[string][]string{}}
}

// withName returns the URL with another name of the same machine.
func withName(uri, host string) string {
	u, _ := url.Parse(uri)
	u.Host = host + ":" + u.Port()
	return u.String()
}

func TestCredentialsAreSentToTheMirrorAlone(t *testing.T) {
	for name, redirect := range map[string]func(other, plain string) string{
		"another port":                   func(other, _ string) string { return other + "/b" },
		"another name of the machine":    func(other, _ string) string { return withName(other, "localhost") + "/b" },
		"plain HTTP":                     func(_, plain string) string { return plain + "/b" },
		"with the mirror as a user name": func(other, _ string) string { return strings.Replace(other, "https://", "https://mirror@", 1) + "/b" },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirrorServers(t)
			var target string
			mirror := m.start("mirror", true, &target)
			other, plain := m.start("other", true, nil), m.start("plain", false, nil)
			target = redirect(other.URL, plain.URL)
			cache := m.cache(&nodeapi.ServerCredentials{Server: mirror.URL, Authorization: "Basic s3cret"})
			a := nodeapi.Artifact{Name: "a", URI: mirror.URL + "/a", SHA256: kubelettest.Digest(mirrorContent)}
			if f, err := cache.Fetch(t.Context(), a); err == nil {
				_ = f.Close()
			} else if !strings.Contains(err.Error(), "certificate") { // localhost is not in the certificate
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"Basic s3cret"}, m.got["mirror"][:1]); diff != "" {
				t.Errorf("the mirror got (-want +got):\n%s", diff)
			}
			for _, server := range []string{"other", "plain"} {
				for _, header := range m.got[server] {
					if strings.Contains(header, "s3cret") {
						t.Errorf("the server %s got %q", server, header)
					}
				}
			}
		})
	}
}

func TestCredentialsFollowARedirectOnTheMirror(t *testing.T) {
	m := newMirrorServers(t)
	target := "/b"
	mirror := m.start("mirror", true, &target)
	cache := m.cache(&nodeapi.ServerCredentials{Server: mirror.URL, Authorization: "Basic s3cret"})
	fetch(t, cache, mirror.URL+"/a", kubelettest.Digest(mirrorContent))
	if diff := cmp.Diff([]string{"Basic s3cret", "Basic s3cret"}, m.got["mirror"]); diff != "" {
		t.Errorf("the mirror got (-want +got):\n%s", diff)
	}
}

func TestOtherServersAreAskedWithoutCredentials(t *testing.T) {
	m := newMirrorServers(t)
	mirror, other := m.start("mirror", true, nil), m.start("other", true, nil)
	fetch(t, m.cache(&nodeapi.ServerCredentials{Server: mirror.URL, Authorization: "Basic s3cret"}), other.URL+"/a", kubelettest.Digest(mirrorContent))
	fetch(t, m.cache(nil), mirror.URL+"/a", kubelettest.Digest(mirrorContent))
	if diff := cmp.Diff(map[string][]string{"mirror": {""}, "other": {""}}, m.got); diff != "" {
		t.Errorf("the servers got (-want +got):\n%s", diff)
	}
}

func TestCredentialsAreSentInPlainTextOnlyIfThatIsPermitted(t *testing.T) {
	m := newMirrorServers(t)
	mirror := m.start("mirror", false, nil)
	for _, insecure := range []bool{false, true} {
		fetch(t, m.cache(&nodeapi.ServerCredentials{Server: mirror.URL, Authorization: "Basic s3cret", Insecure: insecure}), mirror.URL+"/a", kubelettest.Digest(mirrorContent))
	}
	if diff := cmp.Diff([]string{"", "Basic s3cret"}, m.got["mirror"]); diff != "" {
		t.Errorf("the mirror got (-want +got):\n%s", diff)
	}
}

func TestARefusalOfTheMirrorQuotesNoCredentials(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Authorization"), http.StatusUnauthorized)
	}))
	defer server.Close()
	m := newMirrorServers(t)
	m.roots.AddCert(server.Certificate())
	cache := m.cache(&nodeapi.ServerCredentials{Server: server.URL, Authorization: "Basic s3cret"})
	_, err := cache.Fetch(t.Context(), nodeapi.Artifact{Name: "kubelet", URI: server.URL + "/a", SHA256: kubelettest.Digest("x")})
	if err == nil || !strings.Contains(err.Error(), "the server answers 401 Unauthorized") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error is %v", err)
	}
}
