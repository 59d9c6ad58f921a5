package executor

import (
	"context"

	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// sendUpdates sends the updates that are due. Without a subscription they stay: the next
// SUBSCRIBE contains all of them.
func (d *Driver) sendUpdates() {
	if !d.subscribed || d.sending {
		return
	}
	if batch := d.core.TakeDue(d.Now(), d.ResendInterval); len(batch) > 0 {
		d.sending = true
		d.batches <- batch
	}
}

// handleSent sends what became due meanwhile. If the batch failed, all of it is sent again
// after RetryInterval: an agent that recovers accepts no updates yet.
func (d *Driver) handleSent(err error) {
	d.sending = false
	if err == nil {
		d.sendUpdates()
		return
	}
	d.Log.Info("Updates were not taken, they will be sent again", "reason", err.Error())
	d.core.ResetSent()
	d.timers.resend.Reset(d.RetryInterval)
}

// sendBatches sends batches until the context ends.
func (d *Driver) sendBatches(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-d.batches:
			err := d.postAll(ctx, batch)
			select {
			case d.sent <- err:
			case <-ctx.Done():
				return
			}
		}
	}
}

// postAll posts calls one after the other, up to the first that fails: a state must not
// overtake the state before it.
func (d *Driver) postAll(ctx context.Context, batch []*executor.Call) error {
	for _, call := range batch {
		if err := d.client.post(ctx, call); err != nil {
			return err
		}
	}
	return nil
}

// streamEvent is an event of the agent's stream, or the error that ended the stream.
type streamEvent struct {
	event *executor.Event
	err   error
}

// subscribe sends SUBSCRIBE and passes on all events, and then the error that ended the
// stream.
func (d *Driver) subscribe(ctx context.Context, call *executor.Call) {
	emit := func(e streamEvent) bool {
		select {
		case d.events <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	err := d.client.stream(ctx, call, func(e *executor.Event) bool { return emit(streamEvent{event: e}) })
	emit(streamEvent{err: err})
}
