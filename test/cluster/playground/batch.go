package playground

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

// Batch is another framework in the same Mesos cluster, as Spark or Marathon would
// be: it runs a shell command on whatever it is offered that is large enough. It
// shows that what k8sm releases can be used by others.
type Batch struct {
	// Name of the framework, and its role.
	Name string
	// CPUs and MemMiB that each task takes.
	CPUs, MemMiB float64
	// Command that each task runs.
	Command string
	// Tasks to run in all.
	Tasks int

	caller  calls.Caller
	id      string
	ended   chan struct{}
	cancel  context.CancelFunc
	mutex   sync.Mutex
	tasks   map[string]*batchTask
	failure error
}

type batchTask struct {
	host  string
	state mesos.TaskState
}

// BatchProgress is the progress of a Batch.
type BatchProgress struct {
	// Running names the hosts on which tasks run.
	Running []string
	// Finished and Failed count tasks.
	Finished, Failed int
	// Err is why the framework is no longer subscribed.
	Err error
}

// Start subscribes to the master. Call Close afterwards.
func (b *Batch) Start(ctx context.Context, master string) error {
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.tasks, b.ended = map[string]*batchTask{}, make(chan struct{})
	b.caller = httpsched.NewCaller(httpcli.New(
		httpcli.Endpoint(master+"/api/v1/scheduler"), httpcli.Do((&http.Client{Transport: &http.Transport{}}).Do),
	))
	stream, err := b.caller.Call(ctx, calls.Subscribe(&mesos.FrameworkInfo{
		User: "root", Name: b.Name, Roles: []string{b.Name},
		Capabilities: []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}},
	}))
	if err != nil {
		b.cancel()
		close(b.ended)
		return fmt.Errorf("subscribing %s: %w", b.Name, err)
	}
	go func() {
		defer close(b.ended)
		defer func() { _ = stream.Close() }()
		b.fail(b.listen(ctx, stream))
	}()
	return nil
}

// Close tears the framework down. Mesos kills its remaining tasks.
func (b *Batch) Close(ctx context.Context) error {
	b.mutex.Lock()
	id := b.id
	b.mutex.Unlock()
	var err error
	if id != "" {
		err = b.call(ctx, &schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN})
	}
	b.cancel()
	<-b.ended
	return err
}

// Progress of the tasks.
func (b *Batch) Progress() BatchProgress {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	progress := BatchProgress{Err: b.failure}
	for _, task := range b.tasks {
		switch task.state {
		case mesos.TASK_RUNNING:
			progress.Running = append(progress.Running, task.host)
		case mesos.TASK_FINISHED:
			progress.Finished++
		case mesos.TASK_STAGING, mesos.TASK_STARTING:
		default:
			progress.Failed++
		}
	}
	return progress
}

func (b *Batch) fail(err error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.failure = err
}

func (b *Batch) listen(ctx context.Context, stream mesos.Response) error {
	for {
		var event schedulerpb.Event
		if err := stream.Decode(&event); err != nil {
			return fmt.Errorf("reading events: %w", err)
		}
		if err := b.handle(ctx, &event); err != nil {
			return err
		}
	}
}

func (b *Batch) handle(ctx context.Context, event *schedulerpb.Event) error {
	switch event.GetType() {
	case schedulerpb.Event_SUBSCRIBED:
		b.mutex.Lock()
		b.id = event.GetSubscribed().GetFrameworkID().GetValue()
		b.mutex.Unlock()
	case schedulerpb.Event_OFFERS:
		for _, offer := range event.GetOffers().GetOffers() {
			if err := b.answer(ctx, offer); err != nil {
				return err
			}
		}
	case schedulerpb.Event_UPDATE:
		return b.update(ctx, event.GetUpdate().GetStatus())
	case schedulerpb.Event_ERROR:
		return errors.New(event.GetError().GetMessage())
	}
	return nil
}

// answer accepts an offer with a task if it is large enough and a task is left. Otherwise it
// declines it.
func (b *Batch) answer(ctx context.Context, offer mesos.Offer) error {
	mem, _ := resources.Memory(offer.Resources...)
	b.mutex.Lock()
	wanted := len(b.tasks) < b.Tasks && sumCPUs(offer.Resources) >= b.CPUs && float64(mem) >= b.MemMiB
	id := fmt.Sprintf("%s-%d", b.Name, len(b.tasks)+1)
	if wanted {
		b.tasks[id] = &batchTask{host: offer.Hostname, state: mesos.TASK_STAGING}
	}
	b.mutex.Unlock()
	if !wanted {
		return b.call(ctx, calls.Decline(offer.ID).With(calls.RefuseSeconds(time.Second)))
	}
	task := mesos.TaskInfo{
		Name: b.Name, TaskID: mesos.TaskID{Value: id}, AgentID: offer.AgentID,
		Command:   &mesos.CommandInfo{Value: &b.Command},
		Resources: b.taskResources(offer),
	}
	return b.call(ctx, calls.Accept(calls.OfferOperations{calls.OpLaunch(task)}.WithOffers(offer.ID)))
}

func (b *Batch) taskResources(offer mesos.Offer) []mesos.Resource {
	taken := []mesos.Resource{resources.NewCPUs(b.CPUs).Resource, resources.NewMemory(b.MemMiB).Resource}
	for i := range taken {
		taken[i].AllocationInfo = offer.AllocationInfo
	}
	return taken
}

func (b *Batch) update(ctx context.Context, status mesos.TaskStatus) error {
	b.mutex.Lock()
	if task := b.tasks[status.TaskID.Value]; task != nil {
		task.state = status.GetState()
	}
	b.mutex.Unlock()
	if len(status.UUID) == 0 {
		return nil
	}
	return b.call(ctx, calls.Acknowledge(status.AgentID.GetValue(), status.TaskID.Value, status.UUID))
}

func (b *Batch) call(ctx context.Context, call *schedulerpb.Call) error {
	b.mutex.Lock()
	call.FrameworkID = &mesos.FrameworkID{Value: b.id}
	b.mutex.Unlock()
	answer, err := b.caller.Call(ctx, call)
	if answer != nil {
		_ = answer.Close()
	}
	if err != nil {
		return fmt.Errorf("calling %s: %w", call.Type, err)
	}
	return nil
}
