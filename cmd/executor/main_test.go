package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// TestMain lets the test's own binary be the executor, where an agent starts it.
func TestMain(m *testing.M) {
	if os.Getenv("MESOS_EXECUTOR_ID") != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// framework is a scheduler that launches one task on the first offer.
type framework struct {
	t      *testing.T
	id     string
	caller calls.Caller
	events encoding.Decoder
	agent  mesos.AgentID
}

func newFramework(t *testing.T, master *mesostest.Master) *framework {
	t.Helper()
	caller := httpsched.NewCaller(httpcli.New(httpcli.Endpoint(master.URL() + "/api/v1/scheduler")))
	checkpoint := true
	response, err := caller.Call(t.Context(), calls.Subscribe(&mesos.FrameworkInfo{
		User: "root", Name: "test", Roles: []string{"k8sm"}, Checkpoint: &checkpoint,
		Capabilities: []mesos.FrameworkInfo_Capability{
			{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}, {Type: mesos.FrameworkInfo_Capability_PARTITION_AWARE}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Close() })
	return &framework{t: t, caller: caller, events: response}
}

// next returns the next event of the type.
func (f *framework) next(kind schedulerpb.Event_Type) *schedulerpb.Event {
	f.t.Helper()
	for {
		event := &schedulerpb.Event{}
		if err := f.events.Decode(event); err != nil {
			f.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if event.Type == schedulerpb.Event_SUBSCRIBED {
			f.id = event.Subscribed.FrameworkID.Value
		}
		if event.Type == kind {
			return event
		}
	}
}

func (f *framework) call(c *schedulerpb.Call) {
	f.t.Helper()
	c.FrameworkID = &mesos.FrameworkID{Value: f.id}
	if _, err := f.caller.Call(f.t.Context(), c); err != nil {
		f.t.Fatal(err)
	}
}

func (f *framework) launch(data []byte) {
	f.t.Helper()
	offer := f.next(schedulerpb.Event_OFFERS).Offers.Offers[0]
	f.agent = offer.AgentID
	shell, command := true, "exec "+os.Args[0]
	scalar := func(name string, value float64) mesos.Resource {
		return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: value},
			AllocationInfo: &mesos.Resource_AllocationInfo{Role: new("k8sm")}}
	}
	resources := []mesos.Resource{scalar("cpus", 0.5), scalar("mem", 128)}
	f.call(calls.Accept(calls.OfferOperations{calls.OpLaunch(mesos.TaskInfo{
		Name: "n1", TaskID: mesos.TaskID{Value: "n1.1"}, AgentID: f.agent, Resources: resources, Data: data,
		Executor: &mesos.ExecutorInfo{
			Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: "n1.1"}, FrameworkID: &mesos.FrameworkID{Value: f.id},
			Command: &mesos.CommandInfo{Shell: &shell, Value: &command}, Resources: resources,
		},
	})}.WithOffers(offer.ID)))
}

// status returns the next status of the task, acknowledged.
func (f *framework) status() mesos.TaskStatus {
	f.t.Helper()
	status := f.next(schedulerpb.Event_UPDATE).Update.Status
	if len(status.UUID) > 0 {
		f.call(calls.Acknowledge(status.AgentID.Value, status.TaskID.Value, status.UUID))
	}
	return status
}

// message is a launch message for a node whose kubelet is a script.
func message(t *testing.T, stateDir, script string) []byte {
	t.Helper()
	return messageWith(t, stateDir, script, func(*nodeapi.LaunchSpec) {})
}

func messageWith(t *testing.T, stateDir, script string, change func(*nodeapi.LaunchSpec)) []byte {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kubelet")
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(script))
	l := nodeapi.LaunchSpec{
		NodeName: "n1", ProviderID: "mesos://S0/n1.1",
		APIServer: "https://127.0.0.1:1", CAData: []byte("pem"), BootstrapToken: "abcdef.0123456789abcdef",
		CPUs: 1, MemMiB: 256, OverheadCPUs: 0.1, OverheadMemMiB: 128, Address: "198.18.0.1", KubeletPort: 31000,
		StateDir: stateDir, ContainerRuntime: nodeapi.RuntimeNone,
		Artifacts: []nodeapi.Artifact{{Name: "kubelet", Type: nodeapi.ArtifactTypeBinary, URI: "file://" + program, SHA256: hex.EncodeToString(sum[:])}},
	}
	change(&l)
	data, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func cluster(t *testing.T, o mesostest.AgentOptions) (*mesostest.Agent, *framework) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the kubelet runs on Linux only")
	}
	master, err := mesostest.NewMaster(mesostest.MasterOptions{AllocationInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	agent, err := master.AddAgent(o)
	if err != nil {
		t.Fatal(err)
	}
	return agent, newFramework(t, master)
}

func awaitNoContainer(t *testing.T, agent *mesostest.Agent) {
	t.Helper()
	for range 500 {
		if agent.Containers() == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the executor is still there: it would keep its agent draining")
}

func TestExecutorProcessRunsANode(t *testing.T) {
	agent, f := cluster(t, mesostest.AgentOptions{})
	stateDir := filepath.Join(t.TempDir(), "state")
	f.launch(message(t, stateDir, upIn(stateDir)))
	if s := f.status(); s.GetState() != mesos.TASK_STARTING {
		t.Fatalf("first status is %s: %s", s.GetState(), s.GetMessage())
	}
	awaitKubelet(t, stateDir)
	f.call(calls.Kill("n1.1", f.agent.Value))
	if s := f.status(); s.GetState() != mesos.TASK_KILLED {
		t.Errorf("last status is %s: %s", s.GetState(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
	entries, _ := os.ReadDir(stateDir)
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.Name() == "cache" || e.Name() == "up" })
	if len(entries) > 0 {
		t.Errorf("left: %v", entries)
	}
}

func TestExecutorReportsItsArchitecture(t *testing.T) {
	status, ok, err := nodeapi.DecodeNodeStatus(encode(nodeapi.NodeStatus{Kubelet: "a"}))
	if want := (nodeapi.NodeStatus{Version: 1, Kubelet: "a", Architecture: runtime.GOARCH}); status != want || !ok || err != nil {
		t.Errorf("got %+v, %t, %v", status, ok, err)
	}
}

func TestExecutorInstallsTheArtifactsForItsArchitecture(t *testing.T) {
	agent, f := cluster(t, mesostest.AgentOptions{})
	stateDir := filepath.Join(t.TempDir(), "state")
	f.launch(messageWith(t, stateDir, upIn(stateDir), func(l *nodeapi.LaunchSpec) {
		other := l.Artifacts[0]
		other.SHA256 = strings.Repeat("0", 64)
		l.ArchitectureArtifacts = map[string][]nodeapi.Artifact{runtime.GOARCH: l.Artifacts, "other": {other}}
		l.Artifacts = nil
	}))
	if s := f.status(); s.GetState() != mesos.TASK_STARTING {
		t.Fatalf("first status is %s: %s", s.GetState(), s.GetMessage())
	}
	awaitKubelet(t, stateDir)
	f.call(calls.Kill("n1.1", f.agent.Value))
	if s := f.status(); s.GetState() != mesos.TASK_KILLED {
		t.Errorf("last status is %s: %s", s.GetState(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
}

// Another agent may do, so that the launch has failed and is not an error.
func TestArtifactsForOtherArchitecturesFailTheTask(t *testing.T) {
	agent, f := cluster(t, mesostest.AgentOptions{})
	stateDir := filepath.Join(t.TempDir(), "state")
	f.launch(messageWith(t, stateDir, upIn(stateDir), func(l *nodeapi.LaunchSpec) {
		l.ArchitectureArtifacts, l.Artifacts = map[string][]nodeapi.Artifact{"other": l.Artifacts}, nil
	}))
	s := f.status()
	if s.GetState() == mesos.TASK_STARTING {
		s = f.status()
	}
	if s.GetState() != mesos.TASK_FAILED || !strings.Contains(s.GetMessage(), "artifacts for other, and this agent is of the architecture "+runtime.GOARCH) {
		t.Errorf("status is %s: %s", s.GetState(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
}

func TestInvalidTaskDataIsTaskError(t *testing.T) {
	agent, f := cluster(t, mesostest.AgentOptions{})
	f.launch([]byte(`{"version": 99}`))
	s := f.status()
	if s.GetState() == mesos.TASK_STARTING {
		s = f.status()
	}
	if s.GetState() != mesos.TASK_ERROR || !strings.Contains(s.GetMessage(), "version is 99") {
		t.Errorf("status is %s: %s", s.GetState(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
}
