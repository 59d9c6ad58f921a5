package launches

import (
	"fmt"
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// Intent is a task about to be launched: it is recorded before Mesos is asked.
type Intent struct {
	TaskID     string
	AgentID    string
	Hostname   string
	Address    string // the agent's IP address; empty when its offer has none
	Region     string
	Zone       string
	Attributes map[string]string // as text: scalars as numbers, ranges as [1-5,7-9]
	Ports      []int             // concrete ports, as many as were wanted, ascending
	Resources  placement.Resources
}

// URI is a file that the agent fetches into the sandbox before the executor starts.
type URI struct {
	Value      string
	Executable bool
	// OutputFile is its name in the sandbox, "" for what follows the last / of the value.
	OutputFile string
}

// Payload is what an intent is launched with: a task and the executor of its own.
type Payload struct {
	// Name of the task.
	Name string
	// Data of the task. It appears in no answer of masters and agents.
	Data []byte
	// Command that starts the executor, for a shell.
	Command string
	// URIs that the command needs.
	URIs []URI
	// Overhead is the part of the intent's resources that is the executor's; the rest
	// is the task's.
	Overhead placement.Resources
	// Labels of the task. They are visible to all who may read the master's state.
	Labels map[string]string
	// KillGrace is how long the executor has from KILL, or SHUTDOWN, to its end.
	KillGrace time.Duration
}

// TaskInfo makes a task with an executor of its own, both with the intent's ID. Resources
// are the resources of the offers that the intent was matched to. The error is for an overhead that
// they do not contain.
func TaskInfo(frameworkID string, in *Intent, p *Payload, resources []mesos.Resource) (mesos.TaskInfo, error) {
	overhead, rest, err := placement.SplitResources(resources, p.Overhead)
	if err != nil {
		return mesos.TaskInfo{}, fmt.Errorf("dividing the resources between executor and task: %w", err)
	}
	grace := &mesos.DurationInfo{Nanoseconds: p.KillGrace.Nanoseconds()}
	return mesos.TaskInfo{
		Name:       p.Name,
		TaskID:     mesos.TaskID{Value: in.TaskID},
		AgentID:    mesos.AgentID{Value: in.AgentID},
		Resources:  rest,
		Data:       p.Data,
		Labels:     labelsOf(p.Labels),
		KillPolicy: &mesos.KillPolicy{GracePeriod: grace},
		Executor: &mesos.ExecutorInfo{
			Type:                mesos.ExecutorInfo_CUSTOM,
			ExecutorID:          mesos.ExecutorID{Value: in.TaskID},
			FrameworkID:         &mesos.FrameworkID{Value: frameworkID},
			Name:                optional(p.Name),
			Command:             commandOf(p),
			Resources:           overhead,
			ShutdownGracePeriod: grace,
		},
	}, nil
}

func commandOf(p *Payload) *mesos.CommandInfo {
	shell := true
	uris := make([]mesos.CommandInfo_URI, len(p.URIs))
	for i, u := range p.URIs {
		extract := false
		uris[i] = mesos.CommandInfo_URI{Value: u.Value, Executable: &u.Executable, Extract: &extract, OutputFile: optional(u.OutputFile)}
	}
	return &mesos.CommandInfo{Shell: &shell, Value: &p.Command, URIs: uris}
}

// labelsOf sorts labels, so that the same payload gives the same message.
func labelsOf(m map[string]string) *mesos.Labels {
	if len(m) == 0 {
		return nil
	}
	ls := &mesos.Labels{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := m[k]
		ls.Labels = append(ls.Labels, mesos.Label{Key: k, Value: &v})
	}
	return ls
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
