// Package executortoken signs and verifies the JSON Web Tokens by which an agent
// recognizes its executors.
package executortoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// Claims name the executor that has a token.
type Claims struct {
	Container string `json:"cid"`
	Executor  string `json:"eid"`
	Framework string `json:"fid"`
}

// Sign makes the JSON Web Token of the claims.
func (c Claims) Sign(key []byte) string {
	body, _ := json.Marshal(c) // of strings
	unsigned := encodePart([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encodePart(body)
	return unsigned + "." + encodePart(signature(key, unsigned))
}

func encodePart(part []byte) string { return base64.RawURLEncoding.EncodeToString(part) }

func signature(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// Verify reads the claims of a token that the key has signed.
func Verify(key []byte, header string) (c Claims, err error) {
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
	signed, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signed, signature(key, parts[0]+"."+parts[1])) {
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

// Authorize returns an error unless the caller has the claims of the executor that it
// speaks for.
func (c Claims) Authorize(executor Claims) error {
	lacks := func(article, name, value string, parts ...any) error {
		return mesoserror.Errorf("Authenticated principal '%s' does not contain %s '%s' claim with "+value,
			append([]any{c, article, name}, parts...)...)
	}
	switch {
	case c.Framework != executor.Framework:
		return lacks("an", "fid", "the framework ID %s, which is set in the call", executor.Framework)
	case c.Executor != executor.Executor:
		return lacks("an", "eid", "the executor ID %s, which is set in the call", executor.Executor)
	case c.Container != executor.Container:
		return lacks("a", "cid", "the correct active ContainerID")
	}
	return nil
}

func (c Claims) String() string {
	return fmt.Sprintf("{ cid: %s, eid: %s, fid: %s }", c.Container, c.Executor, c.Framework)
}
