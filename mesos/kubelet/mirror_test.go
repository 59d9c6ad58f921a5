package kubelet

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestArtifactsAreFetchedWithTheCredentialsOfTheMirror(t *testing.T) {
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("a kubelet"))
	}))
	defer mirror.Close()
	fetch := func(credentials *nodeapi.ServerCredentials) error {
		n := NewNode(Options{Now: time.Now})
		n.spec = &nodeapi.LaunchSpec{StateDir: t.TempDir()}
		file, err := n.cache(credentials, func(string) {}).Fetch(t.Context(), nodeapi.Artifact{
			Name: "kubelet", Type: nodeapi.ArtifactTypeBinary, URI: mirror.URL + "/kubelet", SHA256: kubelettest.Digest("a kubelet"),
		})
		if err == nil {
			err = file.Close()
		}
		return err
	}
	if err := fetch(nil); err == nil {
		t.Error("it was fetched without credentials")
	}
	credentials := &nodeapi.ServerCredentials{Server: mirror.URL, Authorization: "Basic bWU6czNjcmV0", Insecure: true}
	if err := fetch(credentials); err != nil {
		t.Error(err)
	}
}
