package executortoken_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/executortoken"
)

var claims = executortoken.Claims{Container: "c", Executor: "e", Framework: "f"}

func TestTokenHasTheFormOfMesos(t *testing.T) {
	const want = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjaWQiOiJjIiwiZWlkIjoiZSIsImZpZCI6ImYifQ."
	if got := claims.Sign([]byte("key")); !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want it to begin with %s", got, want)
	}
}

func TestTokenIsVerifiedWithItsKey(t *testing.T) {
	for _, want := range []executortoken.Claims{
		claims,
		{},
		{Container: "ä\"<", Executor: strings.Repeat("x", 255), Framework: "a.b-c"},
	} {
		got, err := executortoken.Verify([]byte("key"), "Bearer "+want.Sign([]byte("key")))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	token := claims.Sign([]byte("key"))
	parts := strings.Split(token, ".")
	other := executortoken.Claims{Container: "c", Executor: "other", Framework: "f"}.Sign([]byte("key"))
	for name, test := range map[string]struct{ header, want string }{
		"nothing":                        {"", "Malformed 'Authorization' header"},
		"a scheme alone":                 {"Bearer", "Malformed 'Authorization' header"},
		"another scheme":                 {"Basic " + token, "Scheme 'Basic' unsupported"},
		"two parts":                      {"Bearer " + parts[0] + "." + parts[1], "Invalid JWT: Expected 3 components in token, got 2"},
		"four parts":                     {"Bearer " + token + ".x", "Invalid JWT: Expected 3 components in token, got 4"},
		"another key":                    {"Bearer " + claims.Sign([]byte("else")), "Invalid JWT: Token signature does not match"},
		"no signature":                   {"Bearer " + parts[0] + "." + parts[1] + ".", "Invalid JWT: Token signature does not match"},
		"a signature that is not base64": {"Bearer " + parts[0] + "." + parts[1] + ".#", "Invalid JWT: Token signature does not match"},
		"the signature of another token": {"Bearer " + parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2], "Invalid JWT: Token signature does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := executortoken.Verify([]byte("key"), test.header)
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			if got != (executortoken.Claims{}) {
				t.Errorf("claims %v are returned with the error", got)
			}
		})
	}
}

func TestTokenPermitsCallsOfItsExecutorOnly(t *testing.T) {
	const principal = "Authenticated principal '{ cid: c, eid: e, fid: f }' does not contain "
	for name, test := range map[string]struct {
		executor executortoken.Claims
		want     string
	}{
		"itself":                             {claims, ""},
		"an executor of another":             {executortoken.Claims{Container: "c", Executor: "e", Framework: "g"}, principal + "an 'fid' claim with the framework ID g, which is set in the call"},
		"another executor":                   {executortoken.Claims{Container: "c", Executor: "x", Framework: "f"}, principal + "an 'eid' claim with the executor ID x, which is set in the call"},
		"the next container of the executor": {executortoken.Claims{Container: "d", Executor: "e", Framework: "f"}, principal + "a 'cid' claim with the correct active ContainerID"},
		"the framework is checked first":     {executortoken.Claims{}, principal + "an 'fid' claim with the framework ID , which is set in the call"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := claims.Authorize(test.executor); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
