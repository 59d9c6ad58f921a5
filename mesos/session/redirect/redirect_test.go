package redirect

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A server may name any Location. Each redirect must lead to an http or https address, and not
// out of TLS, and there must be an end.
func FuzzPolicy(f *testing.F) {
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
		at := &url.URL{Scheme: "https", Host: "10.0.0.9:5050", Path: "/api/v1/scheduler"}
		p := Policy{WithCredentials: withCredentials, HasOwnCA: true}
		redirects := 0
		for location := range strings.SplitSeq(locations+strings.Repeat("\n//x/", MaxHops), "\n") {
			res := &http.Response{Request: &http.Request{URL: at}, Header: http.Header{"Location": {location}}}
			to, err := p.Follow(res)
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
			case at.Scheme == "https" && to.Scheme == "http":
				t.Fatalf("leaves TLS, from %s to %s", at, to)
			}
			if redirects++; redirects > MaxHops {
				t.Fatalf("%d redirects", redirects)
			}
			at = to
		}
	})
}

func TestRedirectsAreFollowed(t *testing.T) {
	const path = "/api/v1/scheduler"
	for name, tc := range map[string]struct {
		policy         Policy
		from, location string
		want           string // the address, or part of the error
	}{
		"to the leader, as masters write it":                        {Policy{}, "http://10.0.0.1:5050", "//10.0.0.2:5050/master" + path, "http://10.0.0.2:5050/master" + path},
		"from plain text to TLS":                                    {Policy{}, "http://m1:5050", "https://m2:5050/", "https://m2:5050" + path},
		"with credentials in plain text":                            {Policy{WithCredentials: true}, "http://10.0.0.1:5050", "//10.0.0.2:5050/", "http://10.0.0.2:5050" + path},
		"out of TLS":                                                {Policy{}, "https://m1:5050", "http://m2:5050/", "m1:5050 redirects to m2:5050 without TLS, which is not followed"},
		"out of TLS to the same host":                               {Policy{}, "https://m1:5050", "http://m1:5050/", "without TLS"},
		"out of TLS to a master that is listed":                     {Policy{Masters: []string{"m2:5050"}}, "https://m1:5050", "http://m2:5050/", "without TLS"},
		"out of TLS with credentials":                               {Policy{WithCredentials: true, HasOwnCA: true}, "https://m1:5050", "http://m2:5050/", "without TLS"},
		"over TLS without credentials":                              {Policy{}, "https://m1.example.com:5050", "//elsewhere.net:443/", "https://elsewhere.net:443" + path},
		"with credentials, to whom the masters' CA vouches for":     {Policy{WithCredentials: true, HasOwnCA: true}, "https://10.0.0.1:5050", "//10.0.0.2:5050/", "https://10.0.0.2:5050" + path},
		"with credentials, to whom any CA vouches for":              {Policy{WithCredentials: true}, "https://m1.example.com:5050", "//elsewhere.net:443/", "to which the credentials do not follow"},
		"with credentials and any CA, to a master that is listed":   {Policy{WithCredentials: true, Masters: []string{"m2.other.net:5050"}}, "https://m1.example.com:5050", "//m2.other.net:5050/", "https://m2.other.net:5050" + path},
		"with credentials and any CA, to another port of a listed":  {Policy{WithCredentials: true, Masters: []string{"m2.other.net:5050"}}, "https://m1.example.com:5050", "//m2.other.net:443/", "do not follow"},
		"with credentials and any CA, within a domain":              {Policy{WithCredentials: true}, "https://m1.example.com:5050", "//M2.Example.com:5050/", "https://M2.Example.com:5050" + path},
		"with credentials and any CA, to a domain that looks alike": {Policy{WithCredentials: true}, "https://m1.example.com:5050", "//m2.evil-example.com:5050/", "do not follow"},
		"with credentials and any CA, between top level domains":    {Policy{WithCredentials: true}, "https://example.com:5050", "//evil.com:5050/", "do not follow"},
		"with credentials and any CA, between IP addresses":         {Policy{WithCredentials: true}, "https://10.0.0.1:5050", "//10.0.0.2:5050/", "do not follow"},
		"from plain text to TLS with credentials and any CA":        {Policy{WithCredentials: true}, "http://m1:5050", "https://elsewhere.net:443/", "do not follow"},
		"nowhere":             {Policy{}, "http://m1:5050", "", `m1:5050 redirects to ""`},
		"to another protocol": {Policy{}, "http://m1:5050", "zk://m2:5050/", "redirects to"},
		"with credentials of the server's choice": {Policy{}, "http://m1:5050", "//user:password@m2:5050/", "http://m2:5050" + path},
		"to an address without end":               {Policy{}, "https://m1:5050", "http://" + strings.Repeat("x", 1<<20) + ":5050/", "without TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			from, err := url.Parse(tc.from + path)
			if err != nil {
				t.Fatal(err)
			}
			to, err := tc.policy.Follow(&http.Response{Request: &http.Request{URL: from}, Header: http.Header{"Location": {tc.location}}})
			switch {
			case err != nil && (strings.HasPrefix(tc.want, "http") || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got error %.300v, want %q", err, tc.want)
			case err != nil && len(err.Error()) > 1000:
				t.Errorf("the error has %d bytes", len(err.Error()))
			case err == nil && to.String() != tc.want:
				t.Errorf("follows to %s, want %q", to, tc.want)
			}
		})
	}
}

func TestRedirectsInCirclesEnd(t *testing.T) {
	p := Policy{}
	at, _ := url.Parse("http://m1:5050/")
	next := map[string]string{"m1:5050": "//m2:5050/", "m2:5050": "//m1:5050/"}
	for hops := 0; ; hops++ {
		to, err := p.Follow(&http.Response{Request: &http.Request{URL: at}, Header: http.Header{"Location": {next[at.Host]}}})
		if err != nil {
			if !strings.Contains(err.Error(), "m1:5050 → m2:5050 → m1:5050") {
				t.Errorf("got %v", err)
			}
			return
		}
		if hops > MaxHops {
			t.Fatal("the redirects have no end")
		}
		at = to
	}
}

func TestStatusesThatRedirect(t *testing.T) {
	for status, want := range map[int]bool{200: false, 301: true, 302: true, 303: false, 307: true, 308: true, 400: false, 503: false} {
		if Is(status) != want {
			t.Errorf("%d redirects: %t", status, !want)
		}
	}
}
