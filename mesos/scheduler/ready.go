package scheduler

// Ready is what the caller does now. The order of the fields is the order of execution:
// what a field asks for has been done, or has been queued where its order is kept, before
// the next one is begun.
type Ready struct {
	// Disconnect: close the stream. Nothing more is sent or read on it. No call to
	// Disconnected follows: the core knows.
	Disconnect bool
	// StoreID is a framework ID to store; empty for none. Answer with IDStored.
	StoreID string
	// Subscribe is to be sent on a new stream, after the old one is closed; nil for
	// none. Answer with Step for each event, or with Disconnected.
	Subscribe *Call
	// Intents to prepare, in any order and at once. Answer each with Prepared.
	Intents []Intent
	// Statuses to record, in any order and at once. Answer each with Recorded. There is
	// never more than one of a task.
	Statuses []TaskStatus
	// Calls to send on the current stream, in this order; calls for different agents
	// may overtake each other, but none overtakes a RECONCILE or is overtaken by it.
	// Calls not sent when the stream ends are dropped. Answer UPDATE_FRAMEWORK and
	// TEARDOWN with CallAccepted, and what the master turns down with CallRefused.
	Calls []*Call
	// Changed: State, or what Explain or MaintenanceWindow answers, is not what it was.
	Changed bool
}

func (r *Ready) isEmpty() bool {
	return !r.Disconnect && r.StoreID == "" && r.Subscribe == nil && len(r.Intents) == 0 &&
		len(r.Statuses) == 0 && len(r.Calls) == 0 && !r.Changed
}

// output collects the next Ready while the caller has the last one.
type output struct {
	next   Ready
	handed *Ready // given to the caller, and not yet advanced
}

func (o *output) hasReady() bool { return o.handed != nil || !o.next.isEmpty() }

func (o *output) ready() Ready {
	if o.handed == nil {
		r := o.next
		o.next = Ready{}
		o.handed = &r
	}
	return *o.handed
}

func (o *output) advance() { o.handed = nil }

func (o *output) disconnect()          { o.next.Disconnect = true }
func (o *output) storeID(id string)    { o.next.StoreID = id }
func (o *output) subscribe(call *Call) { o.next.Subscribe = call }
func (o *output) prepare(in Intent)    { o.next.Intents = append(o.next.Intents, in) }
func (o *output) record(st TaskStatus) { o.next.Statuses = append(o.next.Statuses, st) }
func (o *output) send(calls ...*Call)  { o.next.Calls = append(o.next.Calls, calls...) }
func (o *output) setChanged(is bool)   { o.next.Changed = o.next.Changed || is }

// dropCalls removes and returns the calls that the caller has not been given yet.
func (o *output) dropCalls() []*Call {
	calls := o.next.Calls
	o.next.Calls = nil
	return calls
}
