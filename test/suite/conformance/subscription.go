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
	{"subscribe/heartbeats", "A HEARTBEAT comes at once, and then in the interval that SUBSCRIBED tells.", []int{6}, onShared(checkHeartbeats)},
	{"subscribe/protobuf", "A SUBSCRIBE in protobuf is answered in protobuf.", []int{5}, checkProtobuf},
	{"subscribe/media-type", "A Content-Type other than application/json and application/x-protobuf is answered 415.", []int{3}, checkMediaType},
	{"subscribe/stream-id", "A SUBSCRIBE with a Mesos-Stream-Id is answered 400.", []int{3}, checkSubscribeWithStreamID},
	{"subscribe/bad-role", "A FrameworkInfo that is refused is answered 200, with an ERROR event and the end of the stream.", []int{5, 13}, checkBadRole},
	{"subscribe/bad-suppressed-role", "A suppressed role that is not the framework's is refused as a bad FrameworkInfo is.", []int{13, 16}, checkBadSuppressedRole},
	{"subscribe/other-principal", "A principal other than the one that was authenticated is answered 4xx.", []int{15}, checkOtherPrincipal},
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
		return "", errors.New("SUBSCRIBED tells no framework_id")
	case f.first.Subscribed.MasterInfo == nil || f.first.Subscribed.MasterInfo.ID == "":
		return "", errors.New("SUBSCRIBED tells no master_info with an ID")
	case f.first.Subscribed.Heartbeat == nil || *f.first.Subscribed.Heartbeat <= 0:
		return "", errors.New("SUBSCRIBED tells no heartbeat_interval_seconds")
	}
	return "framework " + f.frameworkID, nil
}

func checkHeartbeats(p *probe, f *schedulerClient) (string, error) {
	if f.first.Subscribed.Heartbeat == nil {
		return "", errors.New("SUBSCRIBED tells no interval")
	}
	if _, err := await(p.ctx, f, p.Patience, "the first HEARTBEAT", func() (int, bool) { return 0, len(f.beats) > 0 }); err != nil {
		return "", err
	}
	interval := time.Duration(*f.first.Subscribed.Heartbeat * float64(time.Second))
	if interval > 2*p.Patience {
		return "", skipf("the interval is %s, longer than is waited here", interval)
	}
	f.mu.Lock()
	before := len(f.beats)
	f.mu.Unlock()
	within := 2*interval + p.Patience/4 // masters are busy at times; five missed are what counts
	_, err := await(p.ctx, f, within, fmt.Sprintf("another HEARTBEAT, in an interval of %s", interval),
		func() (int, bool) { return 0, len(f.beats) > before })
	return "every " + interval.String(), err
}

// checkProtobuf speaks protobuf, and mesos-go's words, once: all other checks read JSON.
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
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200)) // as much as there is
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
	p.keep(&schedulerClient{
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
	f, err := p.open(p.ctx, spec{suppressed: true}, request{body: p.subscribeCall(spec{suppressed: true}), streamID: uuid()})
	if err == nil {
		p.own = append(p.own, f)
	}
	return refusedWith(err, http.StatusBadRequest, "Mesos-Stream-Id")
}

// refusedWith says whether a SUBSCRIBE was answered by a status and a text.
func refusedWith(err error, status int, text string) (string, error) {
	var r *refused
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
	return p.erroredWith(spec{roles: []string{"/not/a/role"}}, "role")
}

func checkBadSuppressedRole(p *probe) (string, error) {
	s := spec{suppressed: true}
	call := p.subscribeCall(s)
	call["subscribe"].(object)["suppressed_roles"] = []string{"k8sm-conformance-another"}
	f, err := p.open(p.ctx, s, request{body: call})
	return p.errored(f, err, "role")
}

// erroredWith subscribes, and wants an ERROR event with that text.
func (p *probe) erroredWith(s spec, text string) (string, error) {
	f, err := p.subscribe(p.ctx, s)
	return p.errored(f, err, text)
}

// errored wants a subscription to have begun with an ERROR with that text, and to end.
func (p *probe) errored(f *schedulerClient, err error, text string) (string, error) {
	var e *errored
	switch {
	case err == nil:
		p.own = append(p.own, f)
		return "", errors.New("the master took the subscription")
	case !errors.As(err, &e):
		return "", err
	case !strings.Contains(e.message, text):
		return "", fmt.Errorf("the ERROR says %q, nothing of %q", e.message, text)
	}
	defer e.stream.close()
	if err := e.stream.ends(p); err != nil {
		return "", err
	}
	return fmt.Sprintf("%q", e.message), nil
}

// ends waits for the end of the stream.
func (s *schedulerClient) ends(p *probe) error {
	return p.poll("waiting for the end of the stream", func() (bool, error) { return s.end() != nil, nil })
}

func checkOtherPrincipal(p *probe) (string, error) {
	if p.Principal == "" {
		return "", skipf("no credentials were given")
	}
	f, err := p.subscribe(p.ctx, spec{principal: p.Principal + "-another", suppressed: true})
	var r *refused
	switch {
	case err == nil:
		p.own = append(p.own, f)
		return "", skipf("the master lets frameworks in that do not authenticate")
	case !errors.As(err, &r):
		return "", err
	case r.answer.status/100 != 4:
		return "", fmt.Errorf("it was answered %s", r.answer)
	}
	return r.answer.String(), nil
}
