// Package critest is a container runtime that says what a test has it say. It knows no
// more of messages than the protocol's frame; tests of packages cri and kubelet use it.
package critest

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// Answers of a runtime, by method: a message, or a status other than 0.
type Answers map[string]func(request []byte) (message []byte, status, said string)

// Serve is a gRPC server as far as unary calls go, until the end of the test. It returns
// its socket.
func Serve(t *testing.T, answers Answers) string {
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
			w.Header().Set("Grpc-Status", "12")
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
	return socket
}

// Says always answers with the message.
func Says(message []byte) func([]byte) ([]byte, string, string) {
	return func([]byte) ([]byte, string, string) { return message, "0", "" }
}

// Text is a field of a message.
func Text(field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), value)
}

// Number is a field of a message.
func Number(field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), value)
}

// Join fields into a message.
func Join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
