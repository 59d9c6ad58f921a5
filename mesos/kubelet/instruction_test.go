package kubelet

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInstructionOfTheFirstReleaseIsUnderstood(t *testing.T) {
	want := Instruction{Version: 1, Kubelet: Artifact{Name: "kubelet", Type: TypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}}
	got, err := decodeInstruction(golden(t, "instruction-v1.json"))
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
	sameJSON(t, golden(t, "instruction-v1.json"), written)
}

func TestAccountOfTheFirstReleaseIsUnderstood(t *testing.T) {
	want := Account{Version: 1, Kubelet: strings.Repeat("a", 64), Upgrade: Upgrade{SHA256: strings.Repeat("b", 64), Message: "rolled back", Refused: true}}
	got, said, err := DecodeAccount(golden(t, "account-v1.json"))
	if err != nil || !said {
		t.Fatal(said, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("understood (-want +got):\n%s", diff)
	}
	sameJSON(t, golden(t, "account-v1.json"), got.Encode())
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

func TestWhatIsNoAccount(t *testing.T) {
	for name, data := range map[string]string{"of the next version": `{"version": 2}`, "of none": `{}`, "no JSON": "RUNNING"} {
		t.Run(name, func(t *testing.T) {
			if account, said, err := DecodeAccount([]byte(data)); said || err == nil {
				t.Errorf("it says %+v", account)
			}
		})
	}
	if _, said, err := DecodeAccount(nil); said || err != nil {
		t.Errorf("an executor that says nothing: %t, %v", said, err)
	}
}

func TestInstructionForAnythingButAKubeletIsRefused(t *testing.T) {
	good := Artifact{Name: "kubelet", Type: TypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}
	tests := map[string]func(*Artifact){
		"another artifact": func(a *Artifact) { a.Name = "containerd" },
		"an archive":       func(a *Artifact) { a.Type = TypeArchive },
		"no digest":        func(a *Artifact) { a.SHA256 = "" },
		"no URI":           func(a *Artifact) { a.URI = "kubelet" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			i := Instruction{Kubelet: good}
			change(&i.Kubelet)
			if _, err := i.Encode(); !errors.Is(err, ErrInvalid) {
				t.Errorf("error is %v", err)
			}
		})
	}
}
