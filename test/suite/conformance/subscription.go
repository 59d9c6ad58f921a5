package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/recordio"
)

var subscriptionChecks = []check{
	{"subscribe/stream", "SUBSCRIBE is answered 200 with a Mesos-Stream-Id and a chunked stream of RecordIO, whose first event is SUBSCRIBED.", []int{3, 5}, onOwn(checkStream)},
	{"subscribe/heartbeats", "A HEARTBEAT comes at once, and then in the interval of SUBSCRIBED.", []int{6}, onShared(checkHeartbeats)},
	{"subscribe/protobuf", "A SUBSCRIBE in protobuf is answered in protobuf.", []int{5}, checkProtobuf},
	{"subscribe/media-type", "A Content-Type other than application/json and application/x-protobuf is answered 415.", []int{3}, checkMediaType},
	{"subscribe/stream-id", "A SUBSCRIBE with a Mesos-Stream-Id is answered 400.", []int{3}, checkSubscribeWithStreamID},
	{"subscribe/bad-role", "A refused FrameworkInfo is answered 200, with an ERROR event, and the stream ends.", []int{5, 13}, checkBadRole},
	{"subscribe/bad-suppressed-role", "A suppressed role that the framework does not have is refused like a bad FrameworkInfo.", []int{13, 16}, checkBadSuppressedRole},
	{"subscribe/other-principal", "A principal other than the authenticated one is answered 4xx.", []int{15}, checkOtherPrincipal},
}

func checkStream(p *probe, f *schedulerClient) (string, error) {
	t, _, _ := mime.ParseMediaType(f.header.Get("Content-Type"))
	switch {
	case f.streamID == "":
		return "", errors.New("there is no Mesos-Stream-Id")
	case t != mediaJSON:
		return "", fmt.Errorf("Content-Type is %q", f.header.Get("Content-Type"))
	case !f.chunked:
		return "", errors.New("the stream is not chunked")
	case f.frameworkID == "":
		return "", errors.New("SUBSCRIBED has no framework_id")
	case f.first.Subscribed.MasterInfo == nil || f.first.Subscribed.MasterInfo.ID == "":
		return "", errors.New("SUBSCRIBED has no master_info with an ID")
	case f.first.Subscribed.Heartbeat == nil || *f.first.Subscribed.Heartbeat <= 0:
		return "", errors.New("SUBSCRIBED has no heartbeat_interval_seconds")
	}
	return "framework " + f.frameworkID, nil
}

func checkHeartbeats(p *probe, f *schedulerClient) (string, error) {
	if f.first.Subscribed.Heartbeat == nil {
		return "", errors.New("SUBSCRIBED has no heartbeat_interval_seconds")
	}
	if _, err := await(p.ctx, f, p.Patience, "the first HEARTBEAT", func() (int, bool) { return 0, len(f.heartbeats) > 0 }); err != nil {
		return "", err
	}
	interval := time.Duration(*f.first.Subscribed.Heartbeat * float64(time.Second))
	if interval > 2*p.Patience {
		return "", skipf("the interval is %s, longer than this check waits", interval)
	}
	f.mu.Lock()
	before := len(f.heartbeats)
	f.mu.Unlock()
	within := 2*interval + p.Patience/4 // one late heartbeat is normal; a session gives up after five
	_, err := await(p.ctx, f, within, fmt.Sprintf("another HEARTBEAT, in an interval of %s", interval),
		func() (int, bool) { return 0, len(f.heartbeats) > before })
	return "every " + interval.String(), err
}

// checkProtobuf uses protobuf, and mesos-go's types. All other checks use JSON.
func checkProtobuf(p *probe) (string, error) {
	leader, _, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return "", err
	}
	timeout := float64(failoverTimeout)
	call := calls.Subscribe(&mesos.FrameworkInfo{
		User: p.User, Name: "k8sm-conformance-" + p.run, Roles: []string{p.Role}, FailoverTimeout: &timeout, Principal: optional(p.Principal),
		Capabilities: []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}},
	})
	call.Subscribe.SuppressedRoles = []string{p.Role}
	body, err := call.Marshal()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
	defer cancel()
	res, err := p.transport.send(ctx, request{to: leader.JoinPath(schedulerPath), body: body, media: mediaProtobuf, accept: mediaProtobuf})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != mediaProtobuf {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200)) // an incomplete text is good enough
		return "", fmt.Errorf("it was answered %s, Content-Type %q: %q", res.Status, res.Header.Get("Content-Type"), text)
	}
	record, err := recordio.NewReader(res.Body, recordio.MaxMasterRecord).ReadRecord()
	if err != nil {
		return "", fmt.Errorf("reading the first record: %w", err)
	}
	var e schedulerpb.Event
	if err := recordio.Decode(record, &e, "the first event"); err != nil {
		return "", err
	}
	if e.Type != schedulerpb.Event_SUBSCRIBED {
		return "", fmt.Errorf("the first event is %s", e.Type)
	}
	p.addOwn(&schedulerClient{
		c: p.cluster, leader: leader, frameworkID: e.Subscribed.FrameworkID.Value, streamID: res.Header.Get("Mesos-Stream-Id"), close: cancel,
	})
	return "", nil
}

func checkMediaType(p *probe) (string, error) {
	leader, _, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return "", err
	}
	a, err := p.transport.ask(p.ctx, request{to: leader.JoinPath(schedulerPath), body: "{}", media: "text/plain"})
	if err != nil {
		return "", err
	}
	if a.status != http.StatusUnsupportedMediaType {
		return "", fmt.Errorf("text/plain was answered %s", a)
	}
	return a.String(), nil
}

func checkSubscribeWithStreamID(p *probe) (string, error) {
	f, err := p.open(p.ctx, frameworkSpec{suppressed: true}, request{body: p.subscribeCall(frameworkSpec{suppressed: true}), streamID: uuid()})
	if err == nil {
		p.own = append(p.own, f)
	}
	return expectRefusal(err, http.StatusBadRequest, "Mesos-Stream-Id")
}

// expectRefusal returns an error unless a SUBSCRIBE was answered by the status and the text.
func expectRefusal(err error, status int, text string) (string, error) {
	var r *refusedError
	switch {
	case err == nil:
		return "", errors.New("it was answered by a stream")
	case !errors.As(err, &r):
		return "", err
	case r.answer.status != status || !strings.Contains(string(r.answer.body), text):
		return "", fmt.Errorf("it was answered %s", r.answer)
	}
	return r.answer.String(), nil
}

func checkBadRole(p *probe) (string, error) {
	return p.expectSubscribeError(frameworkSpec{roles: []string{"/not/a/role"}}, "role")
}

func checkBadSuppressedRole(p *probe) (string, error) {
	s := frameworkSpec{suppressed: true}
	call := p.subscribeCall(s)
	call["subscribe"].(object)["suppressed_roles"] = []string{"k8sm-conformance-another"}
	f, err := p.open(p.ctx, s, request{body: call})
	return p.expectErrorEvent(f, err, "role")
}

// expectSubscribeError subscribes, and returns an error unless the first event is an ERROR
// with the text.
func (p *probe) expectSubscribeError(s frameworkSpec, text string) (string, error) {
	f, err := p.subscribe(p.ctx, s)
	return p.expectErrorEvent(f, err, text)
}

// expectErrorEvent returns an error unless the subscription began with an ERROR with the
// text, and its stream ends.
func (p *probe) expectErrorEvent(f *schedulerClient, err error, text string) (string, error) {
	var e *errorEventError
	switch {
	case err == nil:
		p.own = append(p.own, f)
		return "", errors.New("the master accepted the subscription")
	case !errors.As(err, &e):
		return "", err
	case !strings.Contains(e.message, text):
		return "", fmt.Errorf("the ERROR is %q and does not contain %q", e.message, text)
	}
	defer e.stream.close()
	if err := e.stream.awaitEnd(p); err != nil {
		return "", err
	}
	return fmt.Sprintf("%q", e.message), nil
}

// awaitEnd waits until the stream has ended.
func (s *schedulerClient) awaitEnd(p *probe) error {
	return p.poll("waiting for the end of the stream", func() (bool, error) { return s.endError() != nil, nil })
}

func checkOtherPrincipal(p *probe) (string, error) {
	if p.Principal == "" {
		return "", skipf("no credentials were given")
	}
	f, err := p.subscribe(p.ctx, frameworkSpec{principal: p.Principal + "-another", suppressed: true})
	var r *refusedError
	switch {
	case err == nil:
		p.own = append(p.own, f)
		return "", skipf("the master accepts frameworks that do not authenticate")
	case !errors.As(err, &r):
		return "", err
	case r.answer.status/100 != 4:
		return "", fmt.Errorf("it was answered %s", r.answer)
	}
	return r.answer.String(), nil
}
