package executor

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// cluster is a Mesos cluster in virtual time whose agent starts Drivers, and a
// scheduler with one task.
type cluster struct {
	*testing.T
	network *mesostest.Network
	master  *mesostest.Master
	agent   *mesostest.Agent
	work    *fakeWorkload
	// ended gets what Run of each Driver returned.
	ended chan error
	// offered, and updates in the order in which they came. All are acknowledged.
	offered chan mesos.Offer
	updates chan mesos.TaskStatus

	caller      calls.Caller
	frameworkID string

	mu   sync.Mutex
	sent []time.Time
}

// inCluster runs a test with a cluster whose agent has the options.
func inCluster(t *testing.T, o mesostest.AgentOptions, test func(c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{
			T: t, network: mesostest.NewNetwork(), work: newFakeWorkload(), ended: make(chan error, 10),
			offered: make(chan mesos.Offer, 100), updates: make(chan mesos.TaskStatus, 100),
		}
		var err error
		c.master, err = mesostest.NewMaster(mesostest.MasterOptions{Listener: c.listen("10.0.0.1:5050")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := c.master.Close(); err != nil {
				t.Error(err)
			}
		})
		o.Listener, o.Launcher = c.listen("10.0.0.11:5051"), c
		if c.agent, err = c.master.AddAgent(o); err != nil {
			t.Fatal(err)
		}
		c.subscribe()
		test(c)
	})
}

func (c *cluster) listen(address string) net.Listener {
	l, err := c.network.Listen(address)
	if err != nil {
		c.Fatal(err)
	}
	return l
}

func (c *cluster) subscribe() {
	do := (&http.Client{Transport: &http.Transport{DialContext: c.network.Dial, DisableKeepAlives: true}}).Do
	c.caller = httpsched.NewCaller(httpcli.New(httpcli.Endpoint(c.master.URL()+"/api/v1/scheduler"), httpcli.Do(do)))
	timeout, checkpoint := 3600.0, true
	response, err := c.caller.Call(c.Context(), calls.Subscribe(&mesos.FrameworkInfo{
		User: "root", Name: "test", Roles: []string{"test"}, Checkpoint: &checkpoint, FailoverTimeout: &timeout,
		Capabilities: []mesos.FrameworkInfo_Capability{
			{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}, {Type: mesos.FrameworkInfo_Capability_PARTITION_AWARE}},
	}))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = response.Close() })
	subscribed := make(chan string, 1)
	go func() {
		for {
			event := &schedulerpb.Event{}
			if response.Decode(event) != nil {
				return
			}
			switch event.Type {
			case schedulerpb.Event_SUBSCRIBED:
				subscribed <- event.Subscribed.FrameworkID.Value
			case schedulerpb.Event_OFFERS:
				for _, o := range event.Offers.Offers {
					c.offered <- o
				}
			case schedulerpb.Event_UPDATE:
				c.updates <- event.Update.Status
			}
		}
	}()
	c.frameworkID = next(c.T, "SUBSCRIBED", subscribed)
}

func (c *cluster) call(call *schedulerpb.Call) {
	c.Helper()
	call.FrameworkID = &mesos.FrameworkID{Value: c.frameworkID}
	if err := calls.CallNoData(c.Context(), c.caller, call); err != nil {
		c.Error(err)
	}
}

// launch launches the task on an executor of its own.
func (c *cluster) launch(id string) {
	c.Helper()
	offer := next(c.T, "an offer", c.offered)
	scalar := func(name string, value float64) mesos.Resource {
		return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: value},
			AllocationInfo: &mesos.Resource_AllocationInfo{Role: new("test")}}
	}
	resources := []mesos.Resource{scalar("cpus", 0.5), scalar("mem", 128)}
	c.call(calls.Accept(calls.OfferOperations{calls.OpLaunch(mesos.TaskInfo{
		Name: id, TaskID: mesos.TaskID{Value: id}, AgentID: offer.AgentID, Resources: resources,
		Executor: &mesos.ExecutorInfo{
			Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: id},
			FrameworkID: &mesos.FrameworkID{Value: c.frameworkID}, Command: &mesos.CommandInfo{Value: new("executor")},
			Resources: resources,
		},
	})}.WithOffers(offer.ID)))
}

// wantStates waits for updates with these states, and acknowledges each. Updates may
// come again.
func (c *cluster) wantStates(want ...mesos.TaskState) mesos.TaskStatus {
	c.Helper()
	var status mesos.TaskStatus
	seen := map[string]bool{}
	for _, state := range want {
		for again := true; again; seen[string(status.UUID)] = true {
			status = next(c.T, "update "+state.String(), c.updates)
			again = len(status.UUID) > 0 && seen[string(status.UUID)]
			if len(status.UUID) > 0 {
				c.call(calls.Acknowledge(status.AgentID.Value, status.TaskID.Value, status.UUID))
			}
		}
		if status.GetState() != state {
			c.Fatalf("got %s: %s, want %s", status.GetState(), status.GetMessage(), state)
		}
	}
	return status
}

// launchRunning launches the task and has it run.
func (c *cluster) launchRunning(id string) {
	c.Helper()
	c.launch(id)
	next(c.T, "the task", c.work.tasks)
	c.report(Starting, "")
	c.report(Running, "")
	c.wantStates(mesos.TASK_STARTING, mesos.TASK_RUNNING)
}

// report has the workload report.
func (c *cluster) report(state State, message string) {
	c.Helper()
	select {
	case c.work.reports <- Report{State: state, Message: message}:
	case <-time.After(10 * time.Second):
		c.Fatalf("no workload to report %s", state)
	}
}

// Launch implements mesostest.Launcher: a Driver in this process, with the
// configuration that the agent's variables make.
func (c *cluster) Launch(_ context.Context, container mesostest.Container) (mesostest.Process, error) {
	env := map[string]string{}
	for _, v := range container.Env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	recovery, err := time.ParseDuration(strings.TrimSuffix(env["MESOS_RECOVERY_TIMEOUT"], "ecs")) // 30secs
	if err != nil {
		return nil, err
	}
	d, err := NewDriver(Config{
		Identity:   Identity{FrameworkID: env["MESOS_FRAMEWORK_ID"], ExecutorID: env["MESOS_EXECUTOR_ID"], AgentID: env["MESOS_SLAVE_ID"]},
		Agent:      Endpoint{Address: env["MESOS_AGENT_ENDPOINT"], Token: env["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"], Dial: c.dial},
		Checkpoint: env["MESOS_CHECKPOINT"] == "1", RecoveryTimeout: recovery,
		Workload: c.work, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &driverProcess{cancel: cancel, work: c.work, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		c.ended <- d.Run(ctx)
	}()
	return p, nil
}

func (c *cluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.network.Dial(ctx, network, address)
	return &recordingConn{conn, c}, err
}

// recordingConn notes when the Driver sent anything.
type recordingConn struct {
	net.Conn
	cluster *cluster
}

func (o *recordingConn) Write(b []byte) (int, error) {
	o.cluster.mu.Lock()
	o.cluster.sent = append(o.cluster.sent, time.Now())
	o.cluster.mu.Unlock()
	return o.Conn.Write(b)
}

// driverProcess is a container that holds a Driver.
type driverProcess struct {
	cancel context.CancelFunc
	work   *fakeWorkload
	done   chan struct{}
}

func (p *driverProcess) PID() int { return 0 }

func (p *driverProcess) Wait() int {
	<-p.done
	return 0
}

func (p *driverProcess) Terminate() { p.cancel() }

func (p *driverProcess) Destroy() error {
	p.cancel()
	select {
	case <-p.done:
		return nil
	default:
		p.work.result <- Report{State: Killed} // whatever it is doing
	}
	<-p.done
	return nil
}
