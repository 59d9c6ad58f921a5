package mesostest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// claims are what the token of an executor says of it.
type claims struct {
	Container string `json:"cid"`
	Executor  string `json:"eid"`
	Framework string `json:"fid"`
}

func (x *executorState) claims() claims { return claims{x.containerID, x.id(), x.framework.id} }

// token is the JSON Web Token by which the agent knows its executor again; empty if
// it does not ask for one.
func (x *executorState) token() string {
	key := x.agent.options.ExecutorKey
	if len(key) == 0 {
		return ""
	}
	body, _ := json.Marshal(x.claims()) // of strings
	unsigned := encodePart([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encodePart(body)
	return unsigned + "." + encodePart(sign(key, unsigned))
}

func encodePart(part []byte) string { return base64.RawURLEncoding.EncodeToString(part) }

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// authenticate finds out who calls. It has answered if it says false.
func (a *Agent) authenticate(w http.ResponseWriter, r *http.Request) (c claims, ok bool) {
	if len(a.options.ExecutorKey) == 0 {
		return claims{}, true
	}
	header := r.Header.Get("Authorization")
	c, err := verify(a.options.ExecutorKey, header)
	if err == nil {
		return c, true
	}
	const realm = `Basic realm="mesos-agent-executor",Bearer realm="mesos-agent-executor"`
	challenge := realm
	if header != "" {
		challenge += fmt.Sprintf(`, error="invalid_token", error_description="%v"`, err)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	httpapi.Refuse(w, http.StatusUnauthorized, "\"Basic\" authenticator returned:\n401 Unauthorized.\n\n"+
		"\"Bearer\" authenticator returned:\n401 Unauthorized.")
	return claims{}, false
}

// verify reads the claims of a token that the key has signed.
func verify(key []byte, header string) (c claims, err error) {
	scheme, token, found := strings.Cut(header, " ")
	switch {
	case !found:
		return c, mesoserror.Errorf("Malformed 'Authorization' header")
	case scheme != "Bearer":
		return c, mesoserror.Errorf("Scheme '%s' unsupported", scheme)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, mesoserror.Errorf("Invalid JWT: Expected 3 components in token, got %d", len(parts))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signature, sign(key, parts[0]+"."+parts[1])) {
		return c, mesoserror.Errorf("Invalid JWT: Token signature does not match")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		return c, mesoserror.Errorf("Invalid JWT: Failed to parse token payload: %v", err)
	}
	return c, nil
}

// mayBe says whether the caller may speak for the executor.
func (c claims) mayBe(x *executorState) error {
	has := func(article, name, value string, parts ...any) error {
		return mesoserror.Errorf("Authenticated principal '%s' does not contain %s '%s' claim with "+value,
			append([]any{c, article, name}, parts...)...)
	}
	switch {
	case len(x.agent.options.ExecutorKey) == 0:
		return nil
	case c.Framework != x.framework.id:
		return has("an", "fid", "the framework ID %s, which is set in the call", x.framework.id)
	case c.Executor != x.id():
		return has("an", "eid", "the executor ID %s, which is set in the call", x.id())
	case c.Container != x.containerID:
		return has("a", "cid", "the correct active ContainerID")
	}
	return nil
}

func (c claims) String() string {
	return fmt.Sprintf("{ cid: %s, eid: %s, fid: %s }", c.Container, c.Executor, c.Framework)
}
