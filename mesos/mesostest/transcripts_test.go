package mesostest

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// transcripts that are replayed, each with what it needs.
var transcripts = []replayOptions{
	{name: "01-subscribe"},
	{name: "02-offers", firstAllocation: 172 * time.Millisecond},
	{
		name: "03-command-task", firstAllocation: 116 * time.Millisecond,
		// Health checks are not done here: their updates are left out, and the kill
		// that comes of them is made by hand.
		skip: []int{76, 77, 78, 85, 86, 87, 88, 89, 90},
		beforeLine: map[int]func(*replay, *line){
			84: func(p *replay, _ *line) { p.doAfter(time.Second, func(a *Agent, f string) { a.kill(f, "t4", nil) }) },
		},
	},
	{
		name: "04-custom-executor", firstAllocation: 72 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			154: func(_ *replay, l *line) { // what was sent had no disk, says the note before
				group := fieldAt(l.Body, "accept", "operations", 0, "launch_group", "executor").(object)
				group["resources"] = group["resources"].([]any)[:2]
			},
		},
	},
	{
		name: "05-executor-death", firstAllocation: 160 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			27: func(p *replay, _ *line) { p.launcher.process("e1").exit(statusKilled) },
			76: func(p *replay, _ *line) {
				p.doAfter(120*time.Millisecond, func(a *Agent, f string) {
					a.frameworks[f].executors["t7"].fail(mesos.REASON_EXECUTOR_TERMINATED, "Executor terminated")
				})
			},
		},
	},
	{name: "06-bad-accepts", firstAllocation: 98 * time.Millisecond},
	{name: "07-reconcile", firstAllocation: 85 * time.Millisecond},
	{
		name: "08-http-errors",
		skip: []int{101, 102}, // the web page at /
		beforeLine: map[int]func(*replay, *line){
			122: func(p *replay, _ *line) { p.closeStreams(36, 37) },
		},
	},
	{name: "09-failover", firstAllocation: 76 * time.Millisecond},
	{name: "10-resubscribe", firstAllocation: 85 * time.Millisecond},
	{
		name: "11-removed", firstAllocation: 89 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			54: func(p *replay, _ *line) { p.closeStreams(9) }, // before the ACKNOWLEDGE of the same millisecond
		},
	},
	{
		name: "12-agent-lost", firstAllocation: 95 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			64: func(p *replay, _ *line) {
				p.agents[0].Disconnect()
				p.launcher.process("e1").exit(statusKilled)
			},
			94:  func(p *replay, _ *line) { p.agents[0].Reconnect() },
			108: func(p *replay, _ *line) { p.agents[1].Disconnect() },
			123: func(p *replay, _ *line) { p.agents[1].Reconnect() },
			133: func(p *replay, _ *line) { p.agents[2].Leave() },
			142: func(p *replay, _ *line) { p.agents[2].Reconnect() },
			147: func(p *replay, _ *line) { p.agents[1].Disconnect() },
			171: func(p *replay, _ *line) { p.agents[1].Reconnect() },
		},
	},
	{
		name: "13-agent-restart", firstAllocation: 348 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){ // by when the agent hands on updates again
			28:  func(p *replay, _ *line) { p.agents[0].Restart(2614 * time.Millisecond) },
			60:  func(p *replay, _ *line) { p.agents[0].Restart(2090 * time.Millisecond) },
			101: func(p *replay, _ *line) { p.agents[0].Restart(582 * time.Millisecond) },
			139: func(p *replay, _ *line) { p.agents[0].Restart(14088 * time.Millisecond) },
			188: func(p *replay, _ *line) { p.agents[0].Restart(3 * time.Second) },
		},
	},
	{name: "15-maintenance", firstAllocation: 88 * time.Millisecond, split: true},
	{
		name: "16-drain", firstAllocation: 98 * time.Millisecond, agentsAddedLater: 1,
		beforeLine: map[int]func(*replay, *line){
			157: func(p *replay, _ *line) { p.addAgent(2) },
			164: func(p *replay, _ *line) { p.agents[2].Stop() },
		},
	},
	{
		name: "18-quota", firstAllocation: 66 * time.Millisecond,
		skip: numbers(92, 95), // the v0 paths
		beforeLine: map[int]func(*replay, *line){
			17: func(p *replay, _ *line) { p.shuffleAgents() },
			76: func(p *replay, _ *line) { p.shuffleAgents() },
		},
	},
	{
		name: "14-reservations", firstAllocation: 430 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			151: moveDiskBehindMem, 175: moveDiskBehindMem,
		},
	},
	{
		name: "17-roles", firstAllocation: 76 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			8: func(p *replay, _ *line) { p.shuffleAgents() },
		},
	},
	{
		name: "19-operator-reads", firstAllocation: 100 * time.Millisecond,
		skipConn: "operator2", // the operator API's stream
		// Logging, the v0 paths, and the agent's own operator API.
		skip: slices.Concat(numbers(67, 68), numbers(79, 90), numbers(93, 200)),
	},
	{
		name: "20-authentication", firstAllocation: 93 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			54: func(_ *replay, l *line) { // the offer that was not accepted before is still there
				id := fieldAt(l.Body, "accept", "offer_ids", 0).(object)
				id["value"] = strings.TrimSuffix(id["value"].(string), "2") + "1"
			},
		},
		credentials: map[string]string{"fw": "fw-secret", "guest": "guest-secret", "ops": "ops-secret"},
		// There are no ACLs here.
		skip: slices.Concat(numbers(19, 27), numbers(50, 53), numbers(64, 66), numbers(77, 84), numbers(87, 90), numbers(93, 94)),
	},
	{
		name: "21-masters", firstAllocation: 205 * time.Millisecond, masters: 3,
		skip: []int{26, 27}, // the v0 path /state
		beforeLine: map[int]func(*replay, *line){
			18: func(p *replay, _ *line) { // no quorum of the registry
				p.master.Inject(func(f *Faults) { f.Recovering = true })
				p.masters.Elect(0)
			},
			34:  func(p *replay, _ *line) { p.master.Inject(func(f *Faults) { f.Recovering = false }) },
			90:  func(p *replay, _ *line) { p.agents[0].Pause(); p.masters.Kill(0) },
			107: func(p *replay, _ *line) { p.masters.Elect(1) },
			138: func(p *replay, _ *line) { p.agents[0].Resume() },
			155: func(p *replay, _ *line) { p.masters.Revive(0) },
			157: func(p *replay, _ *line) { p.masters.Kill(1) },
			170: func(p *replay, _ *line) { p.masters.Elect(2) },
			185: func(p *replay, _ *line) { p.masters.Kill(2) },
			190: func(p *replay, _ *line) {
				p.master.Inject(func(f *Faults) { f.Recovering = true })
				p.masters.Elect(0)
			},
		},
	},
	{name: "22-rate-limits"},
	{
		name: "23-two-frameworks", firstAllocation: 60 * time.Millisecond,
		beforeLine: map[int]func(*replay, *line){
			12: func(p *replay, _ *line) { p.shuffleAgents() },
			15: func(p *replay, _ *line) { p.shuffleAgents() },
			52: func(p *replay, _ *line) { p.agents[1].Disconnect() },
		},
	},
	{name: "24-region"},
	{name: "25-raw-stream", firstAllocation: 64 * time.Millisecond},
	{name: "26-protobuf", firstAllocation: 72 * time.Millisecond, protobuf: true},
	{name: "27-protobuf-errors", skip: []int{23, 24}},
	{name: "28-executor-auth", firstAllocation: 246 * time.Millisecond},
}

// TestReplay plays the clients' side of exchanges with a real Mesos against ours, in
// virtual time, and compares all answers and events.
func TestReplay(t *testing.T) {
	for _, r := range transcripts {
		t.Run(r.name, func(t *testing.T) {
			transcript := readTranscript(t, r.name)
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { newReplay(t, r, transcript, dir).run() })
		})
	}
}

// doAfter does something to each agent and framework behind the schedulers' backs.
func (p *replay) doAfter(after time.Duration, do func(a *Agent, frameworkID string)) {
	p.master.after(after, func() {
		for _, a := range p.master.agents {
			for id := range a.frameworks {
				do(a, id)
			}
		}
	})
}

// shuffleAgents turns the order round in which agents are offered. A real allocator
// shuffles them in each pass; ours has not to surprise.
func (p *replay) shuffleAgents() {
	p.master.mu.Lock()
	defer p.master.mu.Unlock()
	slices.Reverse(p.master.agents)
}

// moveDiskBehindMem puts what a message lists in our order: a real master's depends on what
// was reserved when.
func moveDiskBehindMem(_ *replay, l *line) {
	const reserved = "(allocated: example)(reservations: [(DYNAMIC,example,p1,{node: n1})])"
	status := fieldAt(l.Body, "update_operation_status", "status").(object)
	disk, mem := "disk"+reserved+":256", "mem"+reserved+":512"
	status["message"] = strings.Replace(status["message"].(string), disk+"; "+mem, mem+"; "+disk, 1)
}

// closeStreams closes streams whose end the transcript does not contain.
func (p *replay) closeStreams(requests ...int) {
	for _, req := range requests {
		p.streams[req].close()
		delete(p.streams, req)
	}
	synctest.Wait()
}

// numbers from one to another, both included.
func numbers(from, to int) []int {
	var out []int
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}
