package conformance_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

type object = map[string]any

// tamperProxy is a proxy before a master that adds a fault. Its fields change what goes
// through, in either direction; nil changes nothing.
type tamperProxy struct {
	// call may change a call in JSON. If it returns false, the call is answered 202 and not
	// forwarded.
	call func(callType string, call object) bool
	// headers may change the headers of a call.
	headers func(callType string, h http.Header)
	// answer may change status, headers and body of an answer that is not a stream.
	answer func(callType string, a *reply)
	// stream may change status and headers of the answer to SUBSCRIBE.
	stream func(a *reply)
	// event may change an event in JSON. If it returns false, the event is dropped.
	event func(e object) bool
}

type reply struct {
	status int
	header http.Header
	body   string
}

// start starts the proxy before a master, and returns its address.
func (x tamperProxy) start(t *testing.T, upstream string) string {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		callType, body, forward := x.inspect(r, body)
		if !forward {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, upstream+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		req.Header = r.Header.Clone()
		if x.headers != nil {
			x.headers(callType, req.Header)
		}
		res, err := client.Do(req)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer res.Body.Close()
		x.forwardAnswer(w, res, callType)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		client.CloseIdleConnections()
	})
	return server.Listener.Addr().String()
}

// inspect returns the type of a call, and the call after its change.
func (x tamperProxy) inspect(r *http.Request, body []byte) (callType string, changed []byte, forward bool) {
	if r.Header.Get("Content-Type") == "application/x-protobuf" {
		var call schedulerpb.Call
		if call.Unmarshal(body) != nil {
			return "", body, true
		}
		return call.Type.String(), body, x.call == nil || x.call(call.Type.String(), object{})
	}
	var call object
	if json.Unmarshal(body, &call) != nil {
		return "", body, true
	}
	callType, _ = call["type"].(string)
	if x.call == nil {
		return callType, body, true
	}
	forward = x.call(callType, call)
	body, err := json.Marshal(call)
	if err != nil {
		panic(err)
	}
	return callType, body, forward
}

func (x tamperProxy) forwardAnswer(w http.ResponseWriter, res *http.Response, callType string) {
	a := &reply{status: res.StatusCode, header: res.Header}
	if callType == "SUBSCRIBE" && res.StatusCode == http.StatusOK {
		if x.stream != nil {
			x.stream(a)
		}
		a.write(w)
		if a.status == http.StatusOK {
			x.forwardEvents(w, res)
		}
		return
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	a.body = string(body)
	if x.answer != nil {
		x.answer(callType, a)
	}
	a.header.Del("Content-Length")
	a.write(w)
}

func (a *reply) write(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
	_ = http.NewResponseController(w).Flush()
}

func (x tamperProxy) forwardEvents(w http.ResponseWriter, res *http.Response) {
	isJSON := strings.HasPrefix(res.Header.Get("Content-Type"), "application/json")
	r := bufio.NewReader(res.Body)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return
		}
		record := make([]byte, n)
		if _, err := io.ReadFull(r, record); err != nil {
			return
		}
		if isJSON && x.event != nil {
			var e object
			if err := json.Unmarshal(record, &e); err != nil {
				panic(err)
			}
			if !x.event(e) {
				continue
			}
			if record, err = json.Marshal(e); err != nil {
				panic(err)
			}
		}
		fmt.Fprintf(w, "%d\n%s", len(record), record)
		_ = http.NewResponseController(w).Flush()
	}
}

// objectAt returns the object at a path. It inserts an empty object where there is none.
func objectAt(o object, path ...string) object {
	for _, name := range path {
		inner, ok := o[name].(object)
		if !ok {
			inner = object{}
			o[name] = inner
		}
		o = inner
	}
	return o
}
