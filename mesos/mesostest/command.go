package mesostest

import (
	"fmt"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskstatus"
)

// defaultKillGrace is what a command gets between SIGTERM and SIGKILL.
const defaultKillGrace = 3 * time.Second

// commandStarted plays the command executor: the task is starting, then running.
func (x *executorState) commandStarted() {
	x.phase = executorRunning
	x.timer.Stop()
	x.queued = nil
	for _, state := range []mesos.TaskState{mesos.TASK_STARTING, mesos.TASK_RUNNING} {
		x.commandUpdate(state, "")
	}
}

func (x *executorState) commandUpdate(state mesos.TaskState, message string) {
	status := taskstatus.New(x.id(), state, mesos.SOURCE_EXECUTOR, nil, message)
	status.ExecutorID = &mesos.ExecutorID{Value: x.id()}
	u := naming.NewUUID()
	status.UUID = u[:]
	status.ContainerStatus = x.containerStatus()
	x.command.update(status)
}

// commandExited sends the final status of a command task.
func (x *executorState) commandExited(raw int) {
	message := fmt.Sprintf("Command exited with status %d", raw>>8)
	if signal := raw & 0x7f; signal != 0 {
		message = "Command terminated with signal " + signalName(signal)
	}
	switch {
	case x.killed:
		x.commandUpdate(mesos.TASK_KILLED, message)
	case raw == 0:
		x.commandUpdate(mesos.TASK_FINISHED, message)
	default:
		x.commandUpdate(mesos.TASK_FAILED, message)
	}
}

// killCommand is SIGTERM, and when the grace is over SIGKILL. The grace is the
// task's own: a KILL's policy does not reach Mesos' command executor.
func (x *executorState) killCommand(*mesos.KillPolicy) {
	if x.killed || x.process == nil {
		return
	}
	x.killed = true
	grace := defaultKillGrace
	if d := x.command.info.GetKillPolicy().GetGracePeriod(); d != nil {
		grace = time.Duration(d.Nanoseconds)
	}
	x.process.Terminate()
	x.timer = x.agent.cluster.after(grace, x.destroy)
}

// signalName is a signal as strsignal has it, as far as commands usually get them.
func signalName(number int) string {
	switch number {
	case 2:
		return "Interrupt"
	case 6:
		return "Aborted"
	case 9:
		return "Killed"
	case 11:
		return "Segmentation fault"
	case 15:
		return "Terminated"
	}
	return fmt.Sprintf("signal %d", number)
}
