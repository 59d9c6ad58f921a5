package session

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// testCall makes a call of a word: "kill:S1", "accept:S2", "message:S1", "ack:S1", or one that
// concerns no single agent, such as "reconcile". A number behind a # keeps calls apart.
func testCall(word string) *scheduler.Call {
	kind, id, _ := strings.Cut(word, "#")
	kind, agent, _ := strings.Cut(kind, ":")
	agentID := mesos.AgentID{Value: agent}
	task := mesos.TaskID{Value: id}
	switch kind {
	case "kill":
		return &scheduler.Call{Call: &schedulerpb.Call{Type: schedulerpb.Call_KILL, Kill: &schedulerpb.Call_Kill{TaskID: task, AgentID: &agentID}}}
	case "message":
		return &scheduler.Call{Call: &schedulerpb.Call{Type: schedulerpb.Call_MESSAGE, Message: &schedulerpb.Call_Message{AgentID: agentID, ExecutorID: mesos.ExecutorID{Value: id}}}}
	case "ack":
		return &scheduler.Call{Call: &schedulerpb.Call{Type: schedulerpb.Call_ACKNOWLEDGE, Acknowledge: &schedulerpb.Call_Acknowledge{AgentID: agentID, TaskID: task}}}
	case "accept":
		op := mesos.Offer_Operation{Type: mesos.Offer_Operation_LAUNCH, Launch: &mesos.Offer_Operation_Launch{TaskInfos: []mesos.TaskInfo{{TaskID: task, AgentID: agentID}}}}
		return &scheduler.Call{Call: &schedulerpb.Call{Type: schedulerpb.Call_ACCEPT, Accept: &schedulerpb.Call_Accept{Operations: []mesos.Offer_Operation{op}}}}
	case "empty accept":
		return &scheduler.Call{Call: &schedulerpb.Call{Type: schedulerpb.Call_ACCEPT, Accept: &schedulerpb.Call_Accept{}}}
	case "decline":
		return &scheduler.Call{Call: &schedulerpb.Call{Type: schedulerpb.Call_DECLINE}}
	}
	return &scheduler.Call{Call: &schedulerpb.Call{Type: schedulerpb.Call_RECONCILE}}
}

// wordQueue is a queue whose calls are known by their words.
type wordQueue struct {
	callQueue
	words map[*scheduler.Call]string
	calls map[string]*scheduler.Call
}

func newWordQueue(words ...string) *wordQueue {
	q := &wordQueue{words: map[*scheduler.Call]string{}, calls: map[string]*scheduler.Call{}}
	for _, w := range words {
		c := testCall(w)
		q.words[c], q.calls[w] = w, c
		q.add([]*scheduler.Call{c})
	}
	return q
}

func (q *wordQueue) startWords() []string {
	var out []string
	for _, c := range q.start() {
		out = append(out, q.words[c])
	}
	return out
}

func TestCallOrder(t *testing.T) {
	t.Parallel()
	manyAgents := make([]string, maxCallsInFlight+2)
	for i := range manyAgents {
		manyAgents[i] = fmt.Sprintf("kill:S%d", i)
	}
	type step struct {
		finish string // before it is asked what may start
		starts []string
	}
	for name, tc := range map[string]struct {
		calls []string
		steps []step
	}{
		"an empty queue": {nil, []step{{"", nil}}},
		"calls for different agents are sent concurrently": {
			[]string{"kill:S1", "accept:S2", "message:S3", "ack:S4"},
			[]step{{"", []string{"kill:S1", "accept:S2", "message:S3", "ack:S4"}}},
		},
		"calls for one agent keep their order": {
			[]string{"accept:S1", "kill:S1", "ack:S1"},
			[]step{{"", []string{"accept:S1"}}, {"accept:S1", []string{"kill:S1"}}, {"kill:S1", []string{"ack:S1"}}},
		},
		"a call in flight for one agent does not delay others": {
			[]string{"accept:S1", "kill:S1", "kill:S2"},
			[]step{{"", []string{"accept:S1", "kill:S2"}}, {"kill:S2", nil}, {"accept:S1", []string{"kill:S1"}}},
		},
		"task reconciliation does not overtake a launch": {
			[]string{"accept:S1", "reconcile", "kill:S2"},
			[]step{{"", []string{"accept:S1"}}, {"accept:S1", []string{"reconcile"}}, {"reconcile", []string{"kill:S2"}}},
		},
		"calls after task reconciliation wait for it": {
			[]string{"reconcile", "accept:S1"},
			[]step{{"", []string{"reconcile"}}, {"reconcile", []string{"accept:S1"}}},
		},
		"calls without an agent are sent one after the other": {
			[]string{"decline", "reconcile", "empty accept"},
			[]step{{"", []string{"decline"}}, {"decline", []string{"reconcile"}}, {"reconcile", []string{"empty accept"}}},
		},
		"the number of concurrent calls is limited": {
			manyAgents,
			[]step{{"", manyAgents[:maxCallsInFlight]}, {manyAgents[3], manyAgents[maxCallsInFlight : maxCallsInFlight+1]}, {manyAgents[0], manyAgents[maxCallsInFlight+1:]}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := newWordQueue(tc.calls...)
			for i, s := range tc.steps {
				if s.finish != "" {
					q.finish(q.calls[s.finish])
				}
				if diff := cmp.Diff(s.starts, q.startWords()); diff != "" {
					t.Fatalf("step %d, after %q (-want +got):\n%s", i+1, s.finish, diff)
				}
			}
		})
	}
}

// A long queue of one busy agent is not searched to its end each time.
func TestCallQueueLooksAheadWithinBounds(t *testing.T) {
	t.Parallel()
	words := []string{"kill:S1#first"}
	for i := range maxLookAhead {
		words = append(words, fmt.Sprintf("kill:S1#%d", i))
	}
	q := newWordQueue(append(words, "kill:S2")...)
	if diff := cmp.Diff([]string{"kill:S1#first"}, q.startWords()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	q.finish(q.calls["kill:S1#first"])
	if diff := cmp.Diff([]string{"kill:S1#0", "kill:S2"}, q.startWords()); diff != "" {
		t.Errorf("one place further (-want +got):\n%s", diff)
	}
}

// Whenever calls are answered, in whatever order: each is sent once, those of one agent in
// order and one at a time, and an exclusive call alone.
func TestCallQueueInvariants(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(11, 11))
	kinds := []string{"kill:S1", "accept:S1", "ack:S2", "message:S3", "kill:S4", "reconcile", "decline"}
	for range 300 {
		var words []string
		for i := range r.IntN(60) {
			words = append(words, fmt.Sprintf("%s#%d", kinds[r.IntN(len(kinds))], i))
		}
		q := newWordQueue(words...)
		var sent, inFlight []string
		for len(sent) < len(words) || len(inFlight) > 0 {
			started := q.startWords()
			sent, inFlight = append(sent, started...), append(inFlight, started...)
			checkInFlight(t, inFlight)
			if len(inFlight) == 0 {
				t.Fatalf("nothing is sent although %d of %d calls wait", len(words)-len(sent), len(words))
			}
			done := r.IntN(len(inFlight))
			q.finish(q.calls[inFlight[done]])
			inFlight = slices.Delete(inFlight, done, done+1)
		}
		checkOrder(t, words, sent)
	}
}

func agentOfWord(word string) string {
	kind, _, _ := strings.Cut(word, "#")
	_, agent, _ := strings.Cut(kind, ":")
	return agent
}

func checkInFlight(t *testing.T, words []string) {
	t.Helper()
	agents := map[string]int{}
	for _, w := range words {
		agents[agentOfWord(w)]++
	}
	for agent, n := range agents {
		if n > 1 || agent == "" && len(words) > 1 || len(words) > maxCallsInFlight {
			t.Fatalf("in flight together: %v", words)
		}
	}
}

// checkOrder checks that each agent's calls, with the exclusive ones among them, were sent in
// the order in which they were queued.
func checkOrder(t *testing.T, queued, sent []string) {
	t.Helper()
	for _, agent := range []string{"S1", "S2", "S3", "S4"} {
		of := func(words []string) []string {
			return slices.DeleteFunc(slices.Clone(words), func(w string) bool { a := agentOfWord(w); return a != "" && a != agent })
		}
		if diff := cmp.Diff(of(queued), of(sent)); diff != "" {
			t.Fatalf("the order of %s's calls (-queued +sent):\n%s", agent, diff)
		}
	}
}
