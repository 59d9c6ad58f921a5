package mesostest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// replayOptions is how a transcript is replayed.
type replayOptions struct {
	name string
	// firstAllocation is when the real master's allocator first ran, by its offers.
	firstAllocation time.Duration
	// agentsAddedLater is how many of the agents are not there from the start.
	agentsAddedLater int
	// split is set if the real master put offers together into events by chance: each
	// offer counts as an event of its own.
	split bool
	// protobuf is set if the whole transcript is in protobuf.
	protobuf bool
	// skip are lines not to replay.
	skip []int
	// skipConn is a connection not to replay.
	skipConn string
	// beforeLine is called before a line is played, and may change it. It does what the
	// transcript only notes, or does not contain.
	beforeLine map[int]func(*replay, *line)
	// credentials that the master knows.
	credentials map[string]string
	// masters there are; none leads at the beginning. 0 is one that leads.
	masters int
}

// replay is one transcript that is being replayed.
type replay struct {
	t          *testing.T
	options    replayOptions
	transcript transcript
	network    *network
	wire       httpClient
	start      time.Time
	master     *Master
	masters    *Masters // if there are several
	dir        string
	agents     map[int]*Agent
	launcher   *scriptedLauncher
	tr         translation
	responses  map[int]*http.Response
	streams    map[int]*replayStream
	executors  map[string]string // executor ID by connection
	rawStream  *rawStream
}

// replayStream holds back events until the transcript has come to them.
type replayStream struct {
	*subscription
	split bool
	early []object
}

func newReplay(t *testing.T, r replayOptions, tr transcript, dir string) *replay {
	if r.protobuf {
		tr.decodeProtobuf(t)
	}
	n := newNetwork()
	p := &replay{
		t: t, options: r, transcript: tr, network: n, wire: httpClient{t, n.client()}, start: time.Now(),
		dir:       dir,
		agents:    map[int]*Agent{},
		launcher:  newScriptedLauncher(),
		tr:        translation{ours: map[string]string{}},
		responses: map[int]*http.Response{},
		streams:   map[int]*replayStream{},
		executors: map[string]string{},
	}
	p.sleepUntil(r.firstAllocation)
	p.startMasters(MasterOptions{
		// A little more than Mesos' second, as its timers drift.
		AllocationInterval: 1000800 * time.Microsecond,
		AgentTimeout:       agentTimeout(tr.masterFlags),
		AgentReturn:        time.Millisecond, // of --registration_backoff_factor=10ms
		Domain:             domainFlag(tr.masterFlags),
		Credentials:        r.credentials,
		OfferTimeout:       durationFlag(tr.masterFlags, "offer_timeout"),
	})
	for i := range len(tr.agentFlags) - r.agentsAddedLater {
		p.addAgent(i)
	}
	return p
}

func (p *replay) startMasters(o MasterOptions) {
	var err error
	if p.options.masters == 0 {
		o.Listener = p.network.listen("127.0.0.1", 5050)
		if p.master, err = NewMaster(o); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	for i := range p.options.masters {
		o.Listeners = append(o.Listeners, p.network.listen(fmt.Sprintf("127.0.0.%d", i+1), 5050))
	}
	if p.masters, err = NewMasters(p.options.masters, o); err != nil {
		p.t.Fatal(err)
	}
	p.masters.Depose()
	p.master = p.masters.All()[0]
}

// addAgent starts the agent with the flags of that number.
func (p *replay) addAgent(number int) {
	flags := p.transcript.agentFlags[number]
	dir := filepath.Join(p.dir, strconv.Itoa(number))
	o := AgentOptions{
		Hostname:   flagValue(flags, "hostname"),
		Listener:   p.network.listen(flagValue(flags, "ip"), 5051),
		Resources:  resourcesFlag(flags),
		Attributes: flagValue(flags, "attributes"),
		Domain:     domainFlag(flags),
		WorkDir:    dir,
		Launcher:   p.launcher,
		// Any will do.
		ExecutorKey: []byte(flagValue(flags, "jwt_secret_key")),

		ExecutorRegistrationTimeout:   durationFlag(flags, "executor_registration_timeout"),
		ExecutorReregistrationTimeout: durationFlag(flags, "executor_reregistration_timeout"),
		RecoveryTimeout:               durationFlag(flags, "recovery_timeout"),
	}
	a, err := p.master.AddAgent(o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.agents[number] = a
	p.tr.ours[fmt.Sprintf("/var/lib/mesos-%d", number+1)] = dir
}

func (p *replay) sleepUntil(at time.Duration) { time.Sleep(time.Until(p.start.Add(at))) }

func (p *replay) run() {
	defer p.finish()
	for _, l := range p.transcript.lines {
		if p.t.Failed() {
			return
		}
		if slices.Contains(p.options.skip, l.number) || l.Conn == p.options.skipConn {
			continue
		}
		if prepare, ok := p.options.beforeLine[l.number]; ok {
			p.sleepUntil(l.at())
			prepare(p, &l)
		}
		p.play(l)
	}
	p.wantNothingElse()
}

func (p *replay) finish() {
	p.closeRaw()
	for _, s := range p.streams {
		s.close()
	}
	for _, r := range p.responses {
		r.Body.Close()
	}
	if err := p.master.Close(); err != nil {
		p.t.Error(err)
	}
}

func (p *replay) errorf(l line, format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("%s:%d (t=%d): %s", p.options.name, l.number, l.T, fmt.Sprintf(format, args...))
}

func (p *replay) play(l line) {
	switch l.Kind {
	case "request":
		p.sleepUntil(l.at())
		p.request(l)
	case "response":
		p.response(l)
	case "event":
		p.event(l)
	case "raw":
		p.raw(l)
	case "close":
		p.sleepUntil(l.at())
		p.close(l)
	case "environment":
		p.environment(l)
	case "note":
		p.note(l)
	}
}

func (p *replay) request(l line) {
	if p.transcript.isRaw(l.Req) {
		p.rawRequest(l)
		return
	}
	p.closeRaw()
	host := cmp.Or(l.Headers["Host"], "127.0.0.1:5050")
	var body io.Reader
	switch b := p.tr.translate(l.Body).(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	case []any:
		raw, _ := json.Marshal(b)
		body = strings.NewReader(string(raw))
	case object:
		raw, err := json.Marshal(b)
		if p.options.protobuf {
			raw = protobufOf(p.t, b)
		}
		if encoded, ok := b["base64"].(string); ok {
			raw, err = base64.StdEncoding.DecodeString(encoded)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		body = strings.NewReader(string(raw))
	}
	request, err := http.NewRequest(l.Method, "http://"+host+l.Path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	for name, value := range l.Headers {
		if name != "Host" && name != "Content-Length" {
			request.Header.Set(name, p.tr.translateCredentials(value))
		}
	}
	response, err := p.wire.client.Do(request)
	if err != nil && !p.transcript.answers(l.Req) {
		return // there was no stream in the recording, either
	}
	if err != nil {
		p.t.Fatalf("%s:%d: %v", p.options.name, l.number, err)
	}
	p.responses[l.Req] = response
	synctest.Wait() // for what comes of it at once: an allocation
	if response.StatusCode == http.StatusOK && (response.Header.Get("Mesos-Stream-Id") != "" || l.Path == pathExecutor) {
		s := &subscription{t: p.t, response: response, events: make(chan object, 4096)}
		if p.options.protobuf {
			go s.readProtobuf()
		} else {
			go s.read()
		}
		p.streams[l.Req] = &replayStream{subscription: s, split: p.options.split}
		if id := response.Header.Get("Mesos-Stream-Id"); id != "" {
			p.learnStream(l.Req, id)
		}
	}
}

// learnStream finds the recorded stream ID, which a later response contains.
func (p *replay) learnStream(req int, id string) {
	for _, l := range p.transcript.lines {
		if l.Kind == "response" && l.Req == req {
			p.tr.ours[l.Headers["Mesos-Stream-Id"]] = id
		}
	}
}

func (p *replay) response(l line) {
	response, ok := p.responses[l.Req]
	if !ok {
		p.errorf(l, "no such request")
		return
	}
	if response.StatusCode != l.Status {
		p.errorf(l, "got status %d, want %d", response.StatusCode, l.Status)
	}
	for _, name := range []string{"Content-Type", "Content-Encoding", "Allow", "Location", "Www-Authenticate"} {
		want := l.Headers[name]
		if name == "Www-Authenticate" {
			want = l.Headers["WWW-Authenticate"]
		}
		if got := response.Header.Get(name); got != want {
			p.errorf(l, "got %s %q, want %q", name, got, want)
		}
	}
	if p.streams[l.Req] != nil {
		return
	}
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if l.Headers["Content-Encoding"] == "gzip" {
		l.Body, raw = p.inflate(l, raw)
	}
	var got any = string(raw)
	if _, ok := l.Body.(string); !ok && l.Body != nil {
		if err := json.Unmarshal(raw, &got); err != nil {
			p.errorf(l, "%v in %s", err, raw)
			return
		}
	}
	if len(raw) == 0 && (l.Body == nil || response.Request.Method == http.MethodHead) {
		return
	}
	for _, diff := range p.tr.compare("body", l.Body, got) {
		p.errorf(l, "%s", diff)
	}
}

// close is either side's end of a stream.
func (p *replay) close(l line) {
	s, ok := p.streams[l.Req]
	if !ok {
		return // of a connection without a stream
	}
	if l.Body != "end of chunked body" {
		if p.masters != nil { // it is killed masters that close there
			p.wantBroken(l, s)
		}
		s.close()
		delete(p.streams, l.Req)
		return
	}
	for event := range s.events {
		p.errorf(l, "unexpected before the end: %v", event)
	}
}

// wantBroken wants the server to have broken the stream off.
func (p *replay) wantBroken(l line, s *replayStream) {
	synctest.Wait()
	for range len(s.events) {
		if event, ok := <-s.events; ok {
			p.errorf(l, "unexpected before the end: %v", event)
		}
	}
	select {
	case _, ok := <-s.events:
		if ok {
			p.errorf(l, "the stream was not broken off")
		}
	default:
		p.errorf(l, "the stream was not broken off")
	}
}

// wantNothingElse fails for events that were not recorded. Of heartbeats only the
// first two were.
func (p *replay) wantNothingElse() {
	synctest.Wait()
	for req, s := range p.streams {
		for len(s.events) > 0 {
			if event, ok := <-s.events; ok {
				s.early = append(s.early, event)
			}
		}
		for _, event := range s.early {
			if event["type"] != "HEARTBEAT" {
				p.t.Errorf("%s: stream of request %d: unexpected %v", p.options.name, req, event)
			}
		}
	}
}

// environment is the start of an executor, with its variables.
func (p *replay) environment(l line) {
	p.sleepUntil(l.at())
	variables := l.Body.(object)
	id := variables["MESOS_EXECUTOR_ID"].(string)
	p.executors[l.Conn] = id
	process := p.launcher.process(id)
	if process == nil {
		p.errorf(l, "executor %s was not started", id)
		return
	}
	got := object{}
	for _, v := range process.container.Env {
		name, value, _ := strings.Cut(v, "=")
		got[name] = value
	}
	directory := variables["MESOS_DIRECTORY"].(string)
	p.tr.ours[path.Base(directory)] = process.container.ID
	for _, name := range []string{"LC_CTYPE", "PWD", "PATH"} { // of Python, of the shell, of the launcher
		delete(variables, name)
	}
	for _, diff := range p.tr.compare("environment", variables, got) {
		p.errorf(l, "%s", diff)
	}
}

// note is of what was done, or just a remark.
func (p *replay) note(l line) {
	text := l.Body.(string)
	if status, ok := strings.CutPrefix(text, "executor exits with status "); ok {
		p.sleepUntil(l.at())
		status, _ := strconv.Atoi(status)
		p.launcher.process(p.executors[l.Conn]).exit(status << 8)
	}
}
