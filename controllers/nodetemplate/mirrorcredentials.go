package nodetemplate

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// MirrorCredentials are what executors present to the mirror.
type MirrorCredentials struct {
	// Type is Basic (the default), for the keys "username" and "password" of the secret, or
	// Bearer, for its key "token".
	Type v1alpha1.CredentialsType `json:"type,omitempty"`
	// SecretRef names the secret, in the operator's namespace.
	SecretRef v1alpha1.SecretReference `json:"secretRef"`
	// Insecure permits to send the credentials to a mirror without TLS.
	Insecure bool `json:"insecure,omitempty"`
}

// checkMirrorCredentials checks whether the mirror may get the credentials.
func (r Runtime) checkMirrorCredentials() (problems []error) {
	c := r.MirrorCredentials
	if c == nil {
		return nil
	}
	if c.Type != "" && c.Type != v1alpha1.CredentialsBasic && c.Type != v1alpha1.CredentialsBearer {
		problems = append(problems, fmt.Errorf("mirrorCredentials: the type is %q, not %q or %q", c.Type, v1alpha1.CredentialsBasic, v1alpha1.CredentialsBearer))
	}
	if c.SecretRef.Name == "" {
		problems = append(problems, errors.New("mirrorCredentials: secretRef needs a name"))
	}
	u, err := url.Parse(r.Mirror)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http":
		problems = append(problems, errors.New("mirrorCredentials: mirror is not an http or https URL"))
	case u.Scheme == "http" && !c.Insecure:
		problems = append(problems, errors.New("mirrorCredentials: they would be sent in plain text: use an https mirror, or set insecure to true"))
	}
	if err == nil && u.User != nil {
		problems = append(problems, errors.New("mirrorCredentials: mirror has a user name as well: remove it"))
	}
	return problems
}

// Authorization returns the value of the HTTP header for the content of the secret. Its errors
// do not quote values.
func (c MirrorCredentials) Authorization(secret map[string][]byte) (string, error) {
	value := func(key string) (string, error) {
		text := strings.TrimRight(string(secret[key]), "\r\n")
		if text == "" {
			return "", fmt.Errorf("it lacks the key %q, or its value is empty", key)
		}
		return text, nil
	}
	if c.Type == v1alpha1.CredentialsBearer {
		token, err := value("token")
		if err == nil && strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			err = errors.New(`its key "token" holds characters that no HTTP header may have`)
		}
		return "Bearer " + token, err
	}
	user, err := value("username")
	if err != nil {
		return "", err
	}
	if strings.Contains(user, ":") {
		return "", errors.New(`its key "username" has a ':', which basic authentication does not allow`)
	}
	password, err := value("password")
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), err
}

// ServerCredentials returns what executors present to the mirror, from the content of the secret
// that MirrorCredentials names. MirrorCredentials is not nil. The errors do not quote values.
func (r Runtime) ServerCredentials(secret map[string][]byte) (*nodeapi.ServerCredentials, error) {
	authorization, err := r.MirrorCredentials.Authorization(secret)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(r.Mirror)
	if err != nil {
		return nil, errors.New("the mirror is not a URL")
	}
	return &nodeapi.ServerCredentials{Server: u.Scheme + "://" + u.Host, Authorization: authorization, Insecure: r.MirrorCredentials.Insecure}, nil
}
