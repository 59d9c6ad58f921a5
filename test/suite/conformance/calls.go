package conformance

import (
	"fmt"
	"net/http"
	"strings"
)

var callChecks = []check{
	{"call/accepted", "A well-formed call is answered 202, whatever effect it has.", []int{8}, onShared(checkAccepted)},
	{"call/malformed", "A call without the message that belongs to its type is answered 400, and the stream stays open.", []int{8}, onShared(checkMalformed)},
	{"call/no-stream-id", "A call without a Mesos-Stream-Id is answered 400.", []int{3}, onShared(checkNoStreamID)},
	{"call/foreign-stream-id", "A call with another stream's ID is answered 400 with a text that names the stream ID, and the stream stays open.", []int{4}, onShared(checkForeignStreamID)},
	{"call/unknown-framework", "A call of a framework that the master does not know is answered 400, \"Framework cannot be found\".", []int{4}, onShared(checkUnknownFramework)},
	{"call/disconnected", "A call of a framework that is disconnected is answered 403, \"Framework is not subscribed\".", []int{4}, onOwn(checkDisconnected)},
	{"call/update-framework", "UPDATE_FRAMEWORK is answered 200 and takes effect.", []int{16}, onOwn(checkUpdateFramework)},
	{"call/update-framework-user", "UPDATE_FRAMEWORK with another user is answered 400.", []int{15}, onOwn(checkUpdateUser)},
}

func checkAccepted(p *probe, f *schedulerClient) (string, error) {
	for callType, body := range map[string]object{
		"SUPPRESS":  nil,
		"RECONCILE": {"reconcile": object{"tasks": []object{}}},
		"DECLINE":   {"decline": object{"offer_ids": []object{idOf("k8sm-conformance-none")}}},
		"SHUTDOWN":  {"shutdown": object{"executor_id": idOf("none"), "agent_id": idOf("none")}},
	} {
		if err := f.accepted(p.ctx, callType, body); err != nil {
			return "", err
		}
	}
	return "", nil
}

// expectAnswer returns an error unless the answer has the status, and the text in its body.
func expectAnswer(a *answer, err error, status int, text string) (string, error) {
	if err != nil {
		return "", err
	}
	if a.status != status || !strings.Contains(string(a.body), text) {
		return "", fmt.Errorf("it was answered %s", a)
	}
	return a.String(), nil
}

func checkMalformed(p *probe, f *schedulerClient) (string, error) {
	a, err := f.call(p.ctx, "KILL", nil)
	seen, err := expectAnswer(a, err, http.StatusBadRequest, "kill")
	if err != nil {
		return "", err
	}
	return seen, f.expectUsable(p)
}

// expectUsable returns an error unless the stream is open and a call on it is accepted.
func (s *schedulerClient) expectUsable(p *probe) error {
	if err := s.endError(); err != nil {
		return fmt.Errorf("the call ended the stream: %w", err)
	}
	return s.accepted(p.ctx, "SUPPRESS", nil)
}

func checkNoStreamID(p *probe, f *schedulerClient) (string, error) {
	a, err := f.callAs(p.ctx, "SUPPRESS", nil, "")
	return expectAnswer(a, err, http.StatusBadRequest, "Mesos-Stream-Id")
}

func checkForeignStreamID(p *probe, f *schedulerClient) (string, error) {
	a, err := f.callAs(p.ctx, "SUPPRESS", nil, uuid())
	seen, err := expectAnswer(a, err, http.StatusBadRequest, "stream ID")
	if err != nil {
		return "", err
	}
	return seen, f.expectUsable(p)
}

func checkUnknownFramework(p *probe, f *schedulerClient) (string, error) {
	unknown := &schedulerClient{c: p.cluster, leader: f.leader, frameworkID: "k8sm-conformance-" + uuid()}
	a, err := unknown.callAs(p.ctx, "SUPPRESS", nil, f.streamID)
	return expectAnswer(a, err, http.StatusBadRequest, "Framework cannot be found")
}

func checkDisconnected(p *probe, f *schedulerClient) (string, error) {
	if err := f.disconnect(p); err != nil {
		return "", err
	}
	a, err := f.call(p.ctx, "SUPPRESS", nil)
	return expectAnswer(a, err, http.StatusForbidden, "Framework is not subscribed")
}

// checkUpdateFramework has an update end the suppression that SUBSCRIBE began.
func checkUpdateFramework(p *probe, f *schedulerClient) (string, error) {
	a, err := f.call(p.ctx, "UPDATE_FRAMEWORK", object{"update_framework": p.message(frameworkSpec{id: f.frameworkID})})
	if _, err := expectAnswer(a, err, http.StatusOK, ""); err != nil {
		return "", err
	}
	if err := f.expectOffers(p, "UPDATE_FRAMEWORK without suppressed_roles"); err != nil {
		return "", err
	}
	a, err = f.call(p.ctx, "UPDATE_FRAMEWORK", object{"update_framework": p.message(frameworkSpec{id: f.frameworkID, suppressed: true})})
	if _, err := expectAnswer(a, err, http.StatusOK, ""); err != nil {
		return "", err
	}
	return "", f.expectNoOffers(p)
}

func checkUpdateUser(p *probe, f *schedulerClient) (string, error) {
	a, err := f.call(p.ctx, "UPDATE_FRAMEWORK", object{"update_framework": p.message(frameworkSpec{id: f.frameworkID, suppressed: true, user: "k8sm-conformance"})})
	return expectAnswer(a, err, http.StatusBadRequest, "user")
}
