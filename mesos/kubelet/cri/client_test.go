package cri

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// answers of a runtime, by method: a message, or a status other than 0.
type answers map[string]func(request []byte) (message []byte, status, said string)

// serve is a gRPC server as far as unary calls go.
func serve(t *testing.T, answers answers) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := strings.TrimPrefix(r.URL.Path, "/runtime.v1.RuntimeService/")
		request, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") != "application/grpc" || len(request) < 5 || int(binary.BigEndian.Uint32(request[1:])) != len(request)-5 {
			t.Errorf("request %q of type %q is not gRPC's", request, r.Header.Get("Content-Type"))
		}
		w.Header().Set("Content-Type", "application/grpc")
		answer, known := answers[method]
		if !known {
			w.Header().Set("Grpc-Status", string(Unimplemented))
			w.Header().Set("Grpc-Message", "unknown service runtime.v1.RuntimeService")
			return
		}
		message, status, said := answer(request[5:])
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		if status == "0" {
			_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
		}
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", said)
	})}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return New(socket)
}

func says(message []byte) func([]byte) ([]byte, string, string) {
	return func([]byte) ([]byte, string, string) { return message, "0", "" }
}

// text and number are fields of a message.
func text(field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), value)
}

func number(field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), value)
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestSystemdCgroups(t *testing.T) {
	tests := map[string]struct {
		answers answers
		want    bool
	}{
		"systemd, which is the default and not said": {answers{"RuntimeConfig": says(text(1, ""))}, true},
		"systemd, said nevertheless":                 {answers{"RuntimeConfig": says(text(1, string(number(1, 0))))}, true},
		"cgroupfs":                                   {answers{"RuntimeConfig": says(text(1, string(number(1, 1))))}, false},
		"nothing about Linux":                        {answers{"RuntimeConfig": says(nil)}, false},
		"too old for the question":                   {answers{}, false},
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
	client := serve(t, answers{
		"Version":        says(join(text(1, "0.1.0"), text(2, "containerd"), text(3, "v2"))),
		"ListPodSandbox": says(join(text(1, string(join(text(1, "a"), number(3, 1)))), number(9, 7), text(1, string(text(1, "b"))))),
		"PodSandboxStatus": func(request []byte) ([]byte, string, string) {
			if string(request[:3]) != string(text(1, string(request[2:3]))) || string(request[3:]) != string(number(2, 1)) {
				t.Errorf("request %q asks for no details", request)
			}
			if request[2] == 'a' {
				return join(text(1, "status"), text(2, string(join(text(1, "info"), text(2, `{"pid": 1, "config": {"linux": {"cgroup_parent": "/mesos/c1/kubepods/pod1"}}}`))))), "0", ""
			}
			return text(2, string(join(text(1, "other"), text(2, "not JSON")))), "0", ""
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

func TestRefusalsAreToldAsTheyCame(t *testing.T) {
	client := serve(t, answers{
		"StopPodSandbox": func([]byte) ([]byte, string, string) { return nil, "2", "no 50%25 of %22it%22" },
		"ListPodSandbox": says([]byte{0xff}),
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
