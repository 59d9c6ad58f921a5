// Package critest is a container runtime that gives the answers of a test. It knows no more
// of messages than the protocol's frame; tests of packages cri and hostruntime use it.
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

// Answers of a runtime, by method: a message, or a status other than 0 with its text.
type Answers map[string]func(request []byte) (message []byte, status, text string)

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
		message, status, text := answer(request[5:])
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		if status == "0" {
			_, _ = w.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...))
		}
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", text)
	})}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return socket
}

// Always answers every request with the message.
func Always(message []byte) func([]byte) ([]byte, string, string) {
	return func([]byte) ([]byte, string, string) { return message, "0", "" }
}

// Text encodes a field that is a string, bytes or a message.
func Text(field protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), value)
}

// Number encodes a field that is a number.
func Number(field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), value)
}

// Join joins fields into a message.
func Join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
