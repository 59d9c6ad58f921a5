package cri

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/cri/critest"
)

func serve(t *testing.T, answers critest.Answers) *Client {
	t.Helper()
	return New(critest.Serve(t, answers))
}

func TestSystemdCgroups(t *testing.T) {
	tests := map[string]struct {
		answers critest.Answers
		want    bool
	}{
		"systemd, which is the default and left out": {critest.Answers{"RuntimeConfig": critest.Always(critest.Text(1, ""))}, true},
		"systemd, set explicitly":                    {critest.Answers{"RuntimeConfig": critest.Always(critest.Text(1, string(critest.Number(1, 0))))}, true},
		"cgroupfs":                                   {critest.Answers{"RuntimeConfig": critest.Always(critest.Text(1, string(critest.Number(1, 1))))}, false},
		"nothing about Linux":                        {critest.Answers{"RuntimeConfig": critest.Always(nil)}, false},
		"a runtime without the call":                 {critest.Answers{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := serve(t, tc.answers).SystemdCgroups(t.Context())
			if err != nil || got != tc.want {
				t.Errorf("got %t, %v", got, err)
			}
		})
	}
}

func TestSandboxes(t *testing.T) {
	removed := []string{}
	remember := func(call string) func([]byte) ([]byte, string, string) {
		return func(request []byte) ([]byte, string, string) {
			removed = append(removed, call+" "+string(request[2:]))
			return nil, "0", ""
		}
	}
	client := serve(t, critest.Answers{
		"Version":        critest.Always(critest.Join(critest.Text(1, "0.1.0"), critest.Text(2, "containerd"), critest.Text(3, "v2"))),
		"ListPodSandbox": critest.Always(critest.Join(critest.Text(1, string(critest.Join(critest.Text(1, "a"), critest.Number(3, 1)))), critest.Number(9, 7), critest.Text(1, string(critest.Text(1, "b"))))),
		"PodSandboxStatus": func(request []byte) ([]byte, string, string) {
			if string(request[:3]) != string(critest.Text(1, string(request[2:3]))) || string(request[3:]) != string(critest.Number(2, 1)) {
				t.Errorf("request %q asks for no details", request)
			}
			if request[2] == 'a' {
				return critest.Join(critest.Text(1, "status"), critest.Text(2, string(critest.Join(critest.Text(1, "info"), critest.Text(2, `{"pid": 1, "config": {"linux": {"cgroup_parent": "/mesos/c1/kubepods/pod1"}}}`))))), "0", ""
			}
			return critest.Text(2, string(critest.Join(critest.Text(1, "other"), critest.Text(2, "not JSON")))), "0", ""
		},
		"StopPodSandbox": remember("stop"), "RemovePodSandbox": remember("remove"),
	})
	if name, err := client.Name(t.Context()); name != "containerd" || err != nil {
		t.Errorf("name is %q, %v", name, err)
	}
	got, err := client.Sandboxes(t.Context())
	want := []Sandbox{{ID: "a", CgroupParent: "/mesos/c1/kubepods/pod1"}, {ID: "b"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, sandboxes (-want +got):\n%s", err, diff)
	}
	if err := client.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"stop a", "remove a"}, removed); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestRefusalsKeepTheirTextAndCode(t *testing.T) {
	client := serve(t, critest.Answers{
		"StopPodSandbox": func([]byte) ([]byte, string, string) { return nil, "2", "no 50%25 of %22it%22" },
		"ListPodSandbox": critest.Always([]byte{0xff}),
	})
	err := client.Remove(t.Context(), "a")
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Message != `no 50% of "it"` || refused.Code != "2" {
		t.Errorf("error is %v", err)
	}
	_, err = client.Name(t.Context())
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Code != Unimplemented {
		t.Errorf("error is %v", err)
	}
	if _, err := client.Sandboxes(t.Context()); err == nil {
		t.Error("a malformed answer is taken")
	}
	if _, err := New(filepath.Join(t.TempDir(), "none")).Name(t.Context()); err == nil || strings.Contains(err.Error(), "http://") {
		t.Errorf("error of a socket that is not there is %v", err)
	}
}
