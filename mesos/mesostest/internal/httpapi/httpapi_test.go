package httpapi_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
)

func request(method, contentType string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, "/api/v1/scheduler", body)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestCallsAreRead(t *testing.T) {
	raw, err := (&schedulerpb.Call{Type: schedulerpb.Call_REVIVE}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*http.Request{
		"in JSON":     request(http.MethodPost, codec.MediaJSON, strings.NewReader(`{"type":"REVIVE"}`)),
		"in protobuf": request(http.MethodPost, codec.MediaProtobuf, strings.NewReader(string(raw))),
	} {
		t.Run(name, func(t *testing.T) {
			w, call := httptest.NewRecorder(), &schedulerpb.Call{}
			if !httpapi.ReadCall(w, r, call) || call.Type != schedulerpb.Call_REVIVE {
				t.Errorf("read %v", call)
			}
			if w.Body.Len() > 0 {
				t.Errorf("answered %s", w.Body)
			}
		})
	}
}

func TestCallsThatCannotBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		request *http.Request
		status  int
		text    string
	}{
		"GET": {
			request(http.MethodGet, codec.MediaJSON, nil), http.StatusMethodNotAllowed,
			"405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.",
		},
		"no media type":      {request(http.MethodPost, "", strings.NewReader("{}")), http.StatusBadRequest, "Expecting 'Content-Type' to be present"},
		"another media type": {request(http.MethodPost, "text/plain", strings.NewReader("{}")), http.StatusUnsupportedMediaType, "Expecting 'Content-Type' of application/json or application/x-protobuf"},
		"half a body":        {request(http.MethodPost, codec.MediaJSON, strings.NewReader(`{"type"`)), http.StatusBadRequest, "Failed to parse body into JSON: syntax error at line 1 near: "},
		"no protobuf":        {request(http.MethodPost, codec.MediaProtobuf, strings.NewReader("\xff")), http.StatusBadRequest, "Failed to parse body into Call protobuf"},
		"a broken body":      {request(http.MethodPost, codec.MediaJSON, brokenBody{}), http.StatusBadRequest, "Failed to read body: connection reset"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if httpapi.ReadCall(w, test.request, &schedulerpb.Call{}) {
				t.Fatal("the call was read")
			}
			if w.Code != test.status || w.Body.String() != test.text {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, test.status, test.text)
			}
			if got := w.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Errorf("the answer is %s", got)
			}
			if allow := w.Header().Get("Allow"); (allow == http.MethodPost) != (test.status == http.StatusMethodNotAllowed) {
				t.Errorf("allowed is %q", allow)
			}
		})
	}
}

func TestNegotiation(t *testing.T) {
	for name, test := range map[string]struct {
		accept []string
		want   string // empty if the client takes none of ours
	}{
		"no header":                     {nil, codec.MediaJSON},
		"an empty header":               {[]string{""}, codec.MediaJSON},
		"JSON":                          {[]string{"application/json"}, codec.MediaJSON},
		"protobuf":                      {[]string{"application/x-protobuf"}, codec.MediaProtobuf},
		"both: JSON goes first":         {[]string{"application/x-protobuf, application/json"}, codec.MediaJSON},
		"both, in two headers":          {[]string{"application/x-protobuf", "application/json"}, codec.MediaJSON},
		"anything":                      {[]string{"*/*"}, codec.MediaJSON},
		"any application":               {[]string{"application/*"}, codec.MediaJSON},
		"anything but JSON":             {[]string{"application/json;q=0, application/x-protobuf"}, codec.MediaProtobuf},
		"with a weight":                 {[]string{"application/x-protobuf;q=0.5"}, codec.MediaProtobuf},
		"texts only":                    {[]string{"text/html, text/plain"}, ""},
		"a weight of 0 for all":         {[]string{"*/*;q=0"}, ""},
		"an unreadable part is ignored": {[]string{";;, application/json"}, codec.MediaJSON},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(http.MethodPost, "", nil)
			for _, value := range test.accept {
				r.Header.Add("Accept", value)
			}
			w := httptest.NewRecorder()
			got, ok := httpapi.Negotiate(w, r)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("got %q, %t, want %q", got, ok, test.want)
			}
			const refusal = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"
			if !ok && (w.Code != http.StatusNotAcceptable || w.Body.String() != refusal) {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestLongAnswersAreCompressed(t *testing.T) {
	for name, test := range map[string]struct {
		length   int
		encoding string
		want     bool
	}{
		"a long answer":                                    {1024, "gzip", true},
		"a short answer":                                   {1023, "gzip", false},
		"a long answer to a client without gzip":           {5000, "", false},
		"a long answer to a client with another encoding":  {5000, "br", false},
		"a long answer to a client with several encodings": {5000, "br, gzip", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(http.MethodPost, "", nil)
			r.Header.Set("Accept-Encoding", test.encoding)
			w := httptest.NewRecorder()
			body := strings.Repeat("x", test.length)
			httpapi.WriteBody(w, r, []byte(body))
			got := w.Body.String()
			if compressed := w.Header().Get("Content-Encoding") == "gzip"; compressed != test.want {
				t.Fatalf("compressed: %t, want %t", compressed, test.want)
			}
			if test.want {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := io.ReadAll(z)
				if err != nil {
					t.Fatal(err)
				}
				got = string(raw)
			}
			if got != body {
				t.Errorf("%d bytes came, want %d", len(got), len(body))
			}
		})
	}
}

func TestAcceptedAnswersHaveNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	httpapi.WriteAccepted(w)
	if w.Code != http.StatusAccepted || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "0" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
}

func TestStreamHeadersAreSentAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		id   string
		want http.Header
	}{
		"a scheduler's": {"s", http.Header{"Content-Type": {codec.MediaJSON}, "Mesos-Stream-Id": {"s"}}},
		"an executor's": {"", http.Header{"Content-Type": {codec.MediaJSON}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			httpapi.StartStream(w, codec.MediaJSON, test.id)
			if w.Code != http.StatusOK || !w.Flushed {
				t.Errorf("got %d, flushed %t", w.Code, w.Flushed)
			}
			if diff := cmp.Diff(test.want, w.Header()); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
}
