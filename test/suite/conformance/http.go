package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/libprocess"
)

const (
	schedulerPath = "/api/v1/scheduler"
	operatorPath  = "/api/v1"
	executorPath  = "/api/v1/executor"

	mediaJSON     = "application/json"
	mediaProtobuf = "application/x-protobuf"

	// maxAnswerBytes is the maximum size of an answer that is not a stream. GET_STATE of a
	// large cluster is the largest.
	maxAnswerBytes = 256 << 20
	maxHops        = 5
)

// request is one HTTP request.
type request struct {
	to        *url.URL
	body      any    // sent as JSON; []byte and string as they are
	media     string // of the body; default JSON
	accept    string // default JSON
	streamID  string
	anonymous bool // sent without credentials
}

// answer is an HTTP response whose body was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) String() string {
	text := strings.Join(strings.Fields(string(a.body)), " ")
	if len(text) > 160 {
		text = text[:160] + "…"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, text))
}

// transport sends requests to masters and agents. It does not follow redirects.
type transport struct {
	http              *http.Client
	principal, secret string
}

func newTransport(o Options) *transport {
	tlsConfig := o.TLS.Clone()
	if tlsConfig != nil && len(tlsConfig.CipherSuites) == 0 {
		tlsConfig.CipherSuites = libprocess.CipherSuites()
	}
	return &transport{
		principal: o.Principal, secret: o.Secret,
		http: &http.Client{
			Transport: &http.Transport{
				DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
				TLSClientConfig:       tlsConfig,
				TLSHandshakeTimeout:   5 * time.Second,
				ResponseHeaderTimeout: o.Patience,
				DisableCompression:    true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// send returns the response with its body still unread.
func (t *transport) send(ctx context.Context, r request) (*http.Response, error) {
	body, err := encode(r.body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	setHeader(req, "Content-Type", r.media, mediaJSON)
	setHeader(req, "Accept", r.accept, mediaJSON)
	if r.streamID != "" {
		req.Header.Set("Mesos-Stream-Id", r.streamID)
	}
	if t.principal != "" && !r.anonymous {
		req.SetBasicAuth(t.principal, t.secret)
	}
	return t.http.Do(req)
}

func setHeader(req *http.Request, name, value, otherwise string) {
	if value == "" {
		value = otherwise
	}
	req.Header.Set(name, value)
}

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case []byte:
		return b, nil
	case string:
		return []byte(b), nil
	}
	return json.Marshal(body)
}

// ask sends a request and reads the whole answer.
func (t *transport) ask(ctx context.Context, r request) (*answer, error) {
	res, err := t.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", r.to.Host, err)
	}
	return &answer{res.StatusCode, res.Header, body}, nil
}

// leader finds the leading master: it sends GET_VERSION to each master and follows
// redirects.
func (t *transport) leader(ctx context.Context, masters []*url.URL) (*url.URL, *answer, error) {
	var errs []error
	for _, m := range masters {
		at, a, err := t.follow(ctx, m, map[string]any{"type": "GET_VERSION"})
		if err == nil && a.status != http.StatusOK {
			err = fmt.Errorf("%s answers %s", at.Host, a)
		}
		if err == nil {
			return at, a, nil
		}
		errs = append(errs, err)
	}
	return nil, nil, fmt.Errorf("finding the leading master: %w", errors.Join(errs...))
}

// follow makes a call of the operator API of a master, and follows redirects.
func (t *transport) follow(ctx context.Context, master *url.URL, call any) (at *url.URL, a *answer, err error) {
	to := master.JoinPath(operatorPath)
	for range maxHops {
		if a, err = t.ask(ctx, request{to: to, body: call}); err != nil {
			return nil, nil, err
		}
		if a.status != http.StatusTemporaryRedirect {
			return &url.URL{Scheme: to.Scheme, Host: to.Host}, a, nil
		}
		if to, err = to.Parse(a.header.Get("Location")); err != nil {
			return nil, nil, fmt.Errorf("reading where %s redirects to: %w", master.Host, err)
		}
	}
	return nil, nil, fmt.Errorf("%s redirects in circles", master.Host)
}
