package critest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// call sends a request as a gRPC client does, and returns the answer's body and status.
func call(t *testing.T, socket, method string, framed []byte) (body []byte, status, text string) {
	t.Helper()
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/runtime.v1.RuntimeService/"+method, bytes.NewReader(framed))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	from := response.Trailer
	if response.Header.Get("Grpc-Status") != "" {
		from = response.Header
	}
	return body, from.Get("Grpc-Status"), from.Get("Grpc-Message")
}

func TestAnswersByMethod(t *testing.T) {
	var got []byte
	socket := Serve(t, Answers{
		"Version": Always(Text(2, "containerd")),
		"Stop": func(request []byte) ([]byte, string, string) {
			got = request
			return []byte("left out"), "9", "it is busy"
		},
	})
	body, status, _ := call(t, socket, "Version", []byte{0, 0, 0, 0, 0})
	if want := append([]byte{0, 0, 0, 0, 12}, Text(2, "containerd")...); status != "0" || !bytes.Equal(body, want) {
		t.Errorf("answer is %q with status %s, want %q", body, status, want)
	}
	body, status, text := call(t, socket, "Stop", []byte{0, 0, 0, 0, 2, 'a', 'b'})
	if status != "9" || text != "it is busy" || len(body) > 0 || string(got) != "ab" {
		t.Errorf("answer to %q is %q with status %s, %s", got, body, status, text)
	}
	if _, status, _ := call(t, socket, "Unknown", []byte{0, 0, 0, 0, 0}); status != "12" {
		t.Errorf("status of an unknown method is %s", status)
	}
}

func TestFieldsOfMessages(t *testing.T) {
	tests := map[string]struct{ got, want []byte }{
		"a text":        {Text(2, "ab"), []byte{0x12, 2, 'a', 'b'}},
		"an empty text": {Text(1, ""), []byte{0x0a, 0}},
		"a number":      {Number(1, 300), []byte{0x08, 0xac, 0x02}},
		"two fields":    {Join(Text(1, "a"), Number(3, 1)), []byte{0x0a, 1, 'a', 0x18, 1}},
		"no fields":     {Join(), nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if !bytes.Equal(tc.got, tc.want) {
				t.Errorf("encoded as %x, want %x", tc.got, tc.want)
			}
		})
	}
}
