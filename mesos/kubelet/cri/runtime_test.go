package cri

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/cri/critest"
)

func TestNameOfARuntime(t *testing.T) {
	tests := map[string]struct {
		answers critest.Answers
		want    string
		wrong   string
	}{
		"containerd":                   {critest.Answers{"Version": critest.Always(critest.Join(critest.Text(1, "0.1.0"), critest.Text(2, "containerd")))}, "containerd", ""},
		"a runtime without a name":     {critest.Answers{"Version": critest.Always(critest.Text(1, "0.1.0"))}, "", ""},
		"an answer that is malformed":  {critest.Answers{"Version": critest.Always([]byte{0x12, 9})}, "", "reading the container runtime's answer"},
		"something that is no runtime": {critest.Answers{}, "", "gRPC code 12"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := serve(t, tc.answers).Name(t.Context())
			if got != tc.want || (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("name is %q, error %v", got, err)
			}
		})
	}
}

func TestRuntimeWithoutPods(t *testing.T) {
	got, err := serve(t, critest.Answers{"ListPodSandbox": critest.Always(nil)}).Sandboxes(t.Context())
	if len(got) > 0 || err != nil {
		t.Errorf("sandboxes %v, error %v", got, err)
	}
	if _, err := serve(t, critest.Answers{}).Sandboxes(t.Context()); err == nil {
		t.Error("no error of a runtime that cannot list pods")
	}
	_, err = serve(t, critest.Answers{"RuntimeConfig": func([]byte) ([]byte, string, string) { return nil, "7", "denied" }}).SystemdCgroups(t.Context())
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Code != "7" {
		t.Errorf("error is %v", err)
	}
}

func TestURLIsLeftOutOfErrors(t *testing.T) {
	inner := errors.New("no such file")
	if got := withoutURL(&url.Error{Op: "Post", URL: "http://runtime/x", Err: inner}); !errors.Is(got, inner) || strings.Contains(got.Error(), "http") {
		t.Errorf("error is %v", got)
	}
	if got := withoutURL(inner); !errors.Is(got, inner) {
		t.Errorf("another error is %v", got)
	}
}

func TestErrorHoldsTextAndCode(t *testing.T) {
	if got := (&Error{Code: Unimplemented, Message: "unknown service"}).Error(); got != "unknown service (gRPC code 12)" {
		t.Errorf("error is %s", got)
	}
}
