package session

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A server may name any Location. Each redirect must lead to an http or https address, and
// with credentials not out of TLS, and there must be an end.
func FuzzRedirectPolicy(f *testing.F) {
	for _, locations := range []string{
		"//10.0.0.1:5050/master/api/v1/scheduler",
		"//10.0.0.1:5050/master/api/v1/scheduler\n//10.0.0.2:5050/master/api/v1/scheduler",
		"//10.0.0.1:5050\n/\n//10.0.0.3:5050/",
		"https://a:1/\nhttp://a:1/",
		"//[::1]:5050/%2e%2e/\n//[::1%25lo]:5050",
		"", "?", "//", "///x", "ftp://x/", "http:x", "//user:password@host:5050/", "//host:port/", "\x00", "//a b/",
	} {
		f.Add(locations, true)
		f.Add(locations, false)
	}
	f.Fuzz(func(t *testing.T, locations string, withCredentials bool) {
		at := &url.URL{Scheme: "https", Host: "10.0.0.9:5050", Path: schedulerPath}
		p := redirectPolicy{withCredentials: withCredentials}
		redirects := 0
		for location := range strings.SplitSeq(locations+strings.Repeat("\n//x/", maxRedirects), "\n") {
			res := &http.Response{Request: &http.Request{URL: at}, Header: http.Header{"Location": {location}}}
			to, err := p.follow(res)
			if err != nil {
				return
			}
			switch {
			case to.Scheme != "http" && to.Scheme != "https":
				t.Fatalf("follows to %s", to)
			case to.Host == "":
				t.Fatalf("follows to no host: %s", to)
			case to.User != nil:
				t.Fatalf("takes credentials from a redirect: %s", to)
			case withCredentials && at.Scheme == "https" && to.Scheme == "http":
				t.Fatalf("takes credentials out of TLS, from %s to %s", at, to)
			}
			if redirects++; redirects > maxRedirects {
				t.Fatalf("%d redirects", redirects)
			}
			at = to
		}
	})
}
