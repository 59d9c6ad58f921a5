package cri

import (
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/k8sm/k8sm/mesos/kubelet/cri/critest"
)

// answering is a server that gives the same HTTP answer to everything.
func answering(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Protocols: new(http.Protocols), Handler: handler}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return New(socket)
}

func TestAnswersThatAreNotGRPC(t *testing.T) {
	framed := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write([]byte(body))
			w.Header().Set("Grpc-Status", "0")
		}
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"another status":            {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusNotFound) }, "it answers 404"},
		"no frame":                  {framed(""), "malformed answer"},
		"a frame that is cut off":   {framed("\x00\x00\x00\x00"), "malformed answer"},
		"a message that is cut off": {framed("\x00\x00\x00\x00\x05abc"), "malformed answer"},
		"more than one message":     {framed("\x00\x00\x00\x00\x01abc"), "malformed answer"},
		"a compressed message":      {framed("\x01\x00\x00\x00\x00"), "malformed answer"},
		"no status at all":          {func(http.ResponseWriter, *http.Request) {}, "gRPC code"},
		"a refusal without a message": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "7")
		}, "gRPC code 7"},
		"a text that is not escaped": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "7")
			w.Header().Set("Grpc-Message", "100%")
		}, "100% (gRPC code 7)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, tc.handler).Name(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "for Version") {
				t.Errorf("error is %v, want %q in it", err, tc.want)
			}
		})
	}
}

// A pod that cannot be stopped must not be removed.
func TestRemoveStopsFirst(t *testing.T) {
	calls := []string{}
	refuse := func(method, status string) func([]byte) ([]byte, string, string) {
		return func([]byte) ([]byte, string, string) {
			calls = append(calls, method)
			return nil, status, "it is busy"
		}
	}
	client := serve(t, critest.Answers{"StopPodSandbox": refuse("stop", "9"), "RemovePodSandbox": refuse("remove", "0")})
	err := client.Remove(t.Context(), "a")
	if refused, ok := errors.AsType[*Error](err); !ok || refused.Message != "it is busy" {
		t.Errorf("error is %v", err)
	}
	if diff := cmp.Diff([]string{"stop"}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestSandboxWithoutDetails(t *testing.T) {
	list := critest.Always(critest.Text(1, string(critest.Text(1, "a"))))
	tests := map[string]struct {
		status func([]byte) ([]byte, string, string)
		want   []Sandbox
		wrong  string
	}{
		"no details":                 {critest.Always(nil), []Sandbox{{ID: "a"}}, ""},
		"details of another kind":    {critest.Always(critest.Text(2, string(critest.Join(critest.Text(1, "info"), critest.Text(2, "{}"))))), []Sandbox{{ID: "a"}}, ""},
		"details that are not JSON":  {critest.Always(critest.Text(2, string(critest.Join(critest.Text(1, "info"), critest.Text(2, "x"))))), nil, "reading details of a pod"},
		"a status that is malformed": {critest.Always([]byte{0xff}), nil, "reading the container runtime's answer"},
		"a pod that has just gone":   {func([]byte) ([]byte, string, string) { return nil, "5", "not found" }, nil, "not found (gRPC code 5)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := serve(t, critest.Answers{"ListPodSandbox": list, "PodSandboxStatus": tc.status}).Sandboxes(t.Context())
			if diff := cmp.Diff(tc.want, got); diff != "" || (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("error %v, sandboxes (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Fields of later versions of the interface are passed over, whatever their type.
func TestFieldsOfAllTypesAreRead(t *testing.T) {
	message := critest.Join(
		critest.Text(1, "text"), critest.Number(2, 7),
		protowire.AppendFixed32(protowire.AppendTag(nil, 3, protowire.Fixed32Type), 1),
		protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), 1),
		critest.Text(5, ""))
	var seen []string
	err := fields(message, func(field protowire.Number, text []byte, number uint64) error {
		seen = append(seen, strings.TrimSpace(strings.Join([]string{string('0' + rune(field)), string(text), strings.Repeat("+", int(number))}, " ")))
		return nil
	})
	if diff := cmp.Diff([]string{"1 text", "2  +++++++", "3", "4", "5"}, seen); diff != "" || err != nil {
		t.Errorf("error %v, fields (-want +got):\n%s", err, diff)
	}
	for end := 1; end < 6; end++ {
		if err := fields(message[:end], func(protowire.Number, []byte, uint64) error { return nil }); err == nil {
			t.Errorf("no error for a message that is cut off after %d bytes", end)
		}
	}
	stop := errors.New("stop")
	if err := fields(message, func(protowire.Number, []byte, uint64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error is %v", err)
	}
}
