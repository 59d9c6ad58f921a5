package nodetemplate

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// maxNamed is the maximum number of artifacts or prefixes that a message names.
const maxNamed = 5

// Check returns why the operator makes no node of the template, as a reason of conditions and a
// message: it is wrong in itself, or has artifacts that the --node-runtime file does not allow.
// Both are empty if nothing is wrong.
func (r Runtime) Check(spec v1alpha1.NodeTemplateSpec) (reason, message string) {
	if reason, message := Check(spec); reason != "" {
		return reason, message
	}
	var outside []string
	for _, a := range spec.Runtime.Artifacts {
		if why := r.refusal(a.URI); why != "" {
			outside = append(outside, fmt.Sprintf("%q (%s %s)", a.Name, redact(a.URI), why))
		}
	}
	if len(outside) == 0 {
		return "", ""
	}
	return v1alpha1.ReasonArtifactsNotAllowed, sentence(fmt.Errorf(
		"template.spec.runtime.artifacts has artifacts that are not allowed: %s. allowedArtifacts in the operator's --node-runtime file allows: %s",
		messages.List(outside, ", ", maxNamed), messages.List(r.AllowedArtifacts, ", ", maxNamed)))
}

// refusal returns why a template may not have an artifact of this URI, "" if it may: there is
// no list, the URI is below a prefix of the list, or the operator's own file has the same URI.
func (r Runtime) refusal(uri string) string {
	if len(r.AllowedArtifacts) == 0 || r.lists(uri) {
		return ""
	}
	parsed, err := parseLocation(uri)
	if err != nil {
		return err.Error()
	}
	for _, prefix := range r.AllowedArtifacts {
		if allowed, err := parseLocation(prefix); err == nil && allowed.contains(parsed) {
			return ""
		}
	}
	return "lies elsewhere"
}

// lists reports whether the operator's file has an artifact of this URI, for all or in a version.
func (r Runtime) lists(uri string) bool {
	has := func(artifacts []v1alpha1.Artifact) bool {
		return slices.ContainsFunc(artifacts, func(own v1alpha1.Artifact) bool { return own.URI == uri })
	}
	return has(r.Artifacts) || slices.ContainsFunc(r.Versions, func(v RuntimeVersion) bool { return has(v.Artifacts) })
}

// checkAllowedArtifacts checks the prefixes in the operator's file.
func (r Runtime) checkAllowedArtifacts() (problems []error) {
	for _, prefix := range r.AllowedArtifacts {
		l, err := parseLocation(prefix)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("allowedArtifacts: %q %w", redact(prefix), err))
		case l.hasQuery:
			problems = append(problems, fmt.Errorf("allowedArtifacts: %q has a query", prefix))
		}
	}
	return problems
}

// location is a URI in a form in which it is safe to compare prefixes.
type location struct {
	// server is scheme://host:port in lower case, with the default port of the scheme; file://
	// for files.
	server string
	// path begins with a slash. It is as the URI has it: not unescaped.
	path     string
	hasQuery bool
}

// defaultPorts has the ports of URIs that name none.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// parseLocation reads a URI. It returns an error, which is the predicate of a sentence about
// the URI, for everything that a server, a proxy or the agent's fetcher could read in another
// way than this function: then it is not known where the URI leads.
func parseLocation(uri string) (location, error) {
	u, err := url.Parse(uri)
	if err != nil || strings.ContainsFunc(uri, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }) {
		return location{}, errors.New("is malformed")
	}
	switch {
	case u.User != nil:
		return location{}, errors.New("has a user name before the host")
	case u.Fragment != "" || strings.Contains(uri, "#"):
		return location{}, errors.New("has a fragment")
	}
	l := location{path: cmp.Or(u.EscapedPath(), "/"), hasQuery: u.RawQuery != "" || u.ForceQuery}
	if l.server = serverOf(u); l.server == "" || l.server == fileServer && l.hasQuery {
		return location{}, errors.New("is not an http or https URL with a host, or file:///")
	}
	return l, checkPath(l.path)
}

// fileServer is the server of files on the agents.
const fileServer = "file://"

// serverOf returns the server of a location, "" if the URL names none.
func serverOf(u *url.URL) string {
	port, isHTTP := defaultPorts[u.Scheme]
	switch {
	case isHTTP && u.Hostname() != "" && !strings.ContainsAny(u.Host, "@%"):
		return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + cmp.Or(u.Port(), port)
	case u.Scheme == "file" && u.Host == "":
		return fileServer
	}
	return ""
}

// checkPath refuses segments that lead out of a folder, as they are and after another round of
// unescaping. A segment may have parameters after a semicolon, which some servers remove.
func checkPath(path string) error {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil || strings.ContainsAny(plain, `/\%`) || strings.ContainsFunc(plain, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return errors.New("has an escaped slash, backslash, percent sign or control character")
		}
		plain, _, _ = strings.Cut(plain, ";")
		if plain == "." || plain == ".." || plain == "" && i < len(segments)-1 {
			return errors.New("has '.', '..' or nothing between two slashes")
		}
	}
	return nil
}

// contains reports whether another location is the same as this one, or below it. A prefix ends
// at the end of a segment: /a contains /a/b and not /ab.
func (l location) contains(other location) bool {
	if l.server != other.server {
		return false
	}
	return l.path == other.path || strings.HasPrefix(other.path, strings.TrimSuffix(l.path, "/")+"/")
}

// redact returns a URI without what may be secret in it, for messages: user and password, which
// may be a token, and the query, which may be a signature.
func redact(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "a malformed URI"
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	if u.RawQuery != "" {
		u.RawQuery = "xxxxx"
	}
	return u.String()
}
