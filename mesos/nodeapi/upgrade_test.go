package nodeapi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUpgradeRequestOfTheFirstReleaseIsRead(t *testing.T) {
	want := UpgradeRequest{Version: 1, Kubelet: Artifact{Name: "kubelet", Type: ArtifactTypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}}
	got, err := DecodeUpgradeRequest(golden(t, "upgrade-request-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("understood (-want +got):\n%s", diff)
	}
	written, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, golden(t, "upgrade-request-v1.json"), written)
}

func TestNodeStatusOfTheFirstReleaseIsRead(t *testing.T) {
	want := NodeStatus{Version: 1, Kubelet: strings.Repeat("a", 64), Upgrade: Upgrade{SHA256: strings.Repeat("b", 64), Message: "rolled back", Refused: true}}
	got, ok, err := DecodeNodeStatus(golden(t, "node-status-v1.json"))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("understood (-want +got):\n%s", diff)
	}
	sameJSON(t, golden(t, "node-status-v1.json"), got.Encode())
}

// sameJSON compares what the first release wrote with what this one does.
func sameJSON(t *testing.T, first, now []byte) {
	t.Helper()
	var a, b map[string]any
	if err := errors.Join(json.Unmarshal(first, &a), json.Unmarshal(now, &b)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("written by the first release (-) and by this (+):\n%s", diff)
	}
}

func TestInvalidNodeStatusIsRefused(t *testing.T) {
	long := strings.Repeat("a", 3<<20)
	for name, data := range map[string]string{
		"of the next version": `{"version": 2}`, "of none": `{}`, "no JSON": "RUNNING",
		"3 MiB long":                     `{"version": 1, "kubelet": "` + long + `"}`,
		"a digest that is none":          `{"version": 1, "kubelet": "` + long[:65] + `"}`,
		"an upgrade to what is none":     `{"version": 1, "upgrade": {"sha256": "` + long[:65] + `"}}`,
		"a message that leaves no bound": `{"version": 1, "upgrade": {"sha256": "a", "message": "` + long + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if status, ok, err := DecodeNodeStatus([]byte(data)); ok || err == nil {
				t.Errorf("read as %+v", status)
			}
		})
	}
	if _, ok, err := DecodeNodeStatus(nil); ok || err != nil {
		t.Errorf("an executor that sends no data: %t, %v", ok, err)
	}
}

func TestUpgradeRequestForAnythingButAKubeletIsRefused(t *testing.T) {
	good := Artifact{Name: "kubelet", Type: ArtifactTypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}
	tests := map[string]func(*Artifact){
		"another artifact": func(a *Artifact) { a.Name = "containerd" },
		"an archive":       func(a *Artifact) { a.Type = ArtifactTypeArchive },
		"no digest":        func(a *Artifact) { a.SHA256 = "" },
		"no URI":           func(a *Artifact) { a.URI = "kubelet" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := UpgradeRequest{Kubelet: good}
			change(&r.Kubelet)
			if _, err := r.Encode(); !errors.Is(err, ErrInvalid) {
				t.Errorf("error is %v", err)
			}
		})
	}
}
