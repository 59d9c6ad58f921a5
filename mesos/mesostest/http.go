package mesostest

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
)

const (
	pathScheduler = "/api/v1/scheduler"
	pathOperator  = "/api/v1"
	pathExecutor  = "/api/v1/executor"
)

// serveHTTP is the master's front: faults, then authentication, then whether
// this master leads, then the call.
func (m *Master) serveHTTP(w http.ResponseWriter, r *http.Request) {
	m.awaitUnfrozen(r.Context())
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
		httpapi.Refuse(w, http.StatusUnauthorized, "401 Unauthorized.")
		return
	}
	if !m.checkLeads(w, path) {
		return
	}
	switch {
	case path == pathScheduler:
		m.serveScheduler(w, r, principal)
	case path == "/redirect":
		m.redirect(w, m.publicAddr(), "")
	case path == "/version":
		w.Header().Set("Content-Type", codec.MediaJSON)
		fmt.Fprintf(w, `{"version":%q}`, m.options.Version)
	case path == pathOperator || strings.HasPrefix(path, pathOperator+"/"):
		m.serveOperator(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// authenticate finds the principal. Without credentials every call is allowed, and has no principal.
func (m *Master) authenticate(r *http.Request) (principal string, ok bool) {
	if m.options.Credentials == nil {
		return "", true
	}
	principal, secret, _ := r.BasicAuth()
	want, known := m.options.Credentials[principal]
	return principal, known && subtle.ConstantTimeCompare([]byte(secret), []byte(want)) == 1
}

// checkLeads answers in place of a master that does not lead, or not yet.
func (m *Master) checkLeads(w http.ResponseWriter, path string) bool {
	m.mu.Lock()
	faults, presumed, recovering := m.faults, m.presumedLeader, m.recovering
	m.mu.Unlock()
	switch {
	case faults.NoLeader || presumed == nil:
		httpapi.Refuse(w, http.StatusServiceUnavailable, "No leader elected")
	case faults.RedirectTo != "" && path == "/redirect":
		m.redirect(w, faults.RedirectTo, "")
	case faults.RedirectTo != "":
		m.redirect(w, faults.RedirectTo, "/master"+path)
	case presumed != m && path == "/redirect":
		m.redirect(w, presumed.publicAddr(), "")
	case presumed != m:
		m.redirect(w, presumed.publicAddr(), "/master"+path)
	case (recovering || faults.Recovering) && path != "/redirect":
		httpapi.Refuse(w, http.StatusServiceUnavailable, "Master has not finished recovery")
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
