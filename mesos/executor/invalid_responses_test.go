package executor

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// serveSubscribe answers each SUBSCRIBE by calling write, and counts the subscriptions.
func serveSubscribe(t *testing.T, write func(w http.ResponseWriter, r *http.Request)) (address string, subscriptions *atomic.Int32) {
	t.Helper()
	subscriptions = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		subscriptions.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		write(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), subscriptions
}

func TestInvalidAgentResponsesAreBounded(t *testing.T) {
	respond := func(text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	endless := func(text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, text); err != nil {
					return
				}
			}
		}
	}
	for name, write := range map[string]func(http.ResponseWriter, *http.Request){
		"no bytes":                            respond(""),
		"a web page":                          respond("<html><body>It works!</body></html>"),
		"a truncated record":                  respond("5\nhe"),
		"a length beyond 63 bits":             respond("18446744073709551615\n"),
		"a record of a gigabyte":              respond("1073741824\nx"),
		"an undecodable event":                respond("5\nhello"),
		"an event with invalid field lengths": respond("12\n\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00"),
		"endless empty records":               endless("0\n"),
		"endless unknown events":              endless("2\n\x08\x63"),
		"events without their message":        respond("2\n\x08\x02" + "2\n\x08\x04" + "2\n\x08\x05" + "2\n\x08\x03"),
		"endless digits":                      endless("1111111111"),
		"endless undecodable records of 4 MB": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "4000000\n")
			endless(strings.Repeat("\x00", 1<<10))(w, r)
		},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			address, subscriptions := serveSubscribe(t, write)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			ended, _ := start(t, newFakeAgent(t), newFakeWorkload(), func(c *Config) {
				c.Agent.Address = address
				c.RecoveryTimeout, c.RetryInterval = 300*time.Millisecond, 50*time.Millisecond
			})
			if err := next(t, "the end", ended); !errors.Is(err, ErrAgentLost) {
				t.Errorf("driver ended with %v", err)
			}
			if n := subscriptions.Load(); n < 1 || n > 8 {
				t.Errorf("%d subscriptions in 300 ms, 50 ms apart", n)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > 32<<20 {
				t.Errorf("%d bytes are held", n)
			}
		})
	}
}

func TestExecutorWithoutATaskEnds(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	ended, _ := start(t, a, w, func(c *Config) { c.IdleTimeout = 50 * time.Millisecond })
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(killEvent("lost", nil)) // of a task that it never got
	if err := next(t, "the end", ended); !errors.Is(err, ErrNoTask) {
		t.Errorf("driver ended with %v", err)
	}
}

func TestExecutorWithATaskIsNotIdle(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	ended, _ := start(t, a, w, func(c *Config) { c.IdleTimeout = 50 * time.Millisecond })
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", ""))
	next(t, "the task", w.tasks)
	a.drop() // subscribing again starts nothing anew
	next(t, "second SUBSCRIBE", a.subscribes)
	select {
	case err := <-ended:
		t.Errorf("driver ended with %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	a.send(&executor.Event{Type: executor.Event_SHUTDOWN})
	w.result <- Report{State: Killed}
	next(t, "the end", ended)
}
