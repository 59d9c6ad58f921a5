package mesostest

import (
	"fmt"
	"net/http"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/executortoken"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
)

// authenticate returns the claims of the caller. If they are not valid, it has answered
// the request and returns false.
func (p *executorAPI) authenticate(w http.ResponseWriter, r *http.Request) (c executortoken.Claims, ok bool) {
	if len(p.agent.options.ExecutorKey) == 0 {
		return executortoken.Claims{}, true
	}
	header := r.Header.Get("Authorization")
	c, err := executortoken.Verify(p.agent.options.ExecutorKey, header)
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
	return executortoken.Claims{}, false
}

func (x *executorState) claims() executortoken.Claims {
	return executortoken.Claims{Container: x.containerID, Executor: x.id(), Framework: x.framework.id}
}

// token is the JSON Web Token by which the agent knows its executor again; empty if
// it does not ask for one.
func (x *executorState) token() string {
	key := x.agent.options.ExecutorKey
	if len(key) == 0 {
		return ""
	}
	return x.claims().Sign(key)
}

// authorize returns an error unless the caller may speak for the executor.
func (x *executorState) authorize(caller executortoken.Claims) error {
	if len(x.agent.options.ExecutorKey) == 0 {
		return nil
	}
	return caller.Authorize(x.claims())
}
