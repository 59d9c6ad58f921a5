package mesostest

import (
	"compress/gzip"
	"crypto/subtle"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
)

// maxBody bounds the calls that are read.
const maxBody = 64 << 20

var discardLog = log.New(io.Discard, "", 0)

const (
	pathScheduler = "/api/v1/scheduler"
	pathOperator  = "/api/v1"
	pathExecutor  = "/api/v1/executor"
)

// refuse answers with an error, worded and typed as libprocess does.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, format, args...)
}

// accepted answers 202, which promises nothing.
func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
}

// readCall reads the call of a request. It has answered already if it says false.
func readCall(w http.ResponseWriter, r *http.Request, call protobufMessage) bool {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed,
			"405 Method Not Allowed. Expecting one of { 'POST' }, but received '%s'.", r.Method)
		return false
	}
	mediaType := r.Header.Get("Content-Type")
	switch mediaType {
	case "":
		refuse(w, http.StatusBadRequest, "Expecting 'Content-Type' to be present")
		return false
	case mediaJSON, mediaProtobuf:
	default:
		refuse(w, http.StatusUnsupportedMediaType, "Expecting 'Content-Type' of %s or %s", mediaJSON, mediaProtobuf)
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		refuse(w, http.StatusBadRequest, "Failed to read body: %v", err)
		return false
	}
	if err := decode(mediaType, body, call, "Call"); err != nil {
		refuse(w, http.StatusBadRequest, "%v", err)
		return false
	}
	return true
}

// gzipLeast is the length of the shortest answer that is compressed. Streams never are.
const gzipLeast = 1024

// writeBody writes an answer, compressed where the client takes that.
func writeBody(w http.ResponseWriter, r *http.Request, body []byte) {
	if len(body) < gzipLeast || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

// negotiate chooses the media type of the answer. It has answered if it says false.
func negotiate(w http.ResponseWriter, r *http.Request) (mediaType string, ok bool) {
	if mediaType = acceptedType(r); mediaType == "" {
		refuse(w, http.StatusNotAcceptable, "Expecting 'Accept' to allow '%s' or '%s'", mediaProtobuf, mediaJSON)
		return "", false
	}
	return mediaType, true
}

// startStream answers 200 and makes the answer a stream of events.
func startStream(w http.ResponseWriter, mediaType, streamID string) {
	w.Header().Set("Content-Type", mediaType)
	if streamID != "" {
		w.Header().Set("Mesos-Stream-Id", streamID)
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
}

// serveHTTP is the master's front: faults, then authentication, then whether
// this master leads, then the call.
func (m *Master) serveHTTP(w http.ResponseWriter, r *http.Request) {
	m.awaitThaw(r.Context())
	path := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/master"), "/")
	if path == "/health" {
		return // 200 always
	}
	m.beforeCall()
	principal, ok := m.authenticate(r)
	if !ok {
		realm := "mesos-master-readwrite"
		if path == pathScheduler {
			realm = "mesos-master-scheduler"
		}
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", realm))
		refuse(w, http.StatusUnauthorized, "401 Unauthorized.")
		return
	}
	if !m.leads(w, path) {
		return
	}
	switch {
	case path == pathScheduler:
		m.serveScheduler(w, r, principal)
	case path == "/redirect":
		m.redirect(w, m.publicAddr(), "")
	case path == "/version":
		w.Header().Set("Content-Type", mediaJSON)
		fmt.Fprintf(w, `{"version":%q}`, m.options.Version)
	case path == pathOperator || strings.HasPrefix(path, pathOperator+"/"):
		m.serveOperator(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// authenticate finds the principal. Without credentials anybody may call, as nobody.
func (m *Master) authenticate(r *http.Request) (principal string, ok bool) {
	if m.options.Credentials == nil {
		return "", true
	}
	principal, secret, _ := r.BasicAuth()
	want, known := m.options.Credentials[principal]
	return principal, known && subtle.ConstantTimeCompare([]byte(secret), []byte(want)) == 1
}

// leads answers in place of a master that does not lead, or not yet.
func (m *Master) leads(w http.ResponseWriter, path string) bool {
	m.mu.Lock()
	faults, presumed, recovering := m.faults, m.presumed, m.recovering
	m.mu.Unlock()
	switch {
	case faults.NoLeader || presumed == nil:
		refuse(w, http.StatusServiceUnavailable, "No leader elected")
	case faults.RedirectTo != "" && path == "/redirect":
		m.redirect(w, faults.RedirectTo, "")
	case faults.RedirectTo != "":
		m.redirect(w, faults.RedirectTo, "/master"+path)
	case presumed != m && path == "/redirect":
		m.redirect(w, presumed.publicAddr(), "")
	case presumed != m:
		m.redirect(w, presumed.publicAddr(), "/master"+path)
	case (recovering || faults.Recovering) && path != "/redirect":
		refuse(w, http.StatusServiceUnavailable, "Master has not finished recovery")
	default:
		return true
	}
	return false
}

// redirect as Mesos does it: protocol-relative.
func (m *Master) redirect(w http.ResponseWriter, address, path string) {
	w.Header().Set("Location", "//"+address+path)
	w.WriteHeader(http.StatusTemporaryRedirect)
}
