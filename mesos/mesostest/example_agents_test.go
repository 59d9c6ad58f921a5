package mesostest_test

import (
	"context"
	"fmt"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// An agent whose process is killed and comes back a second later. Executors of
// frameworks with checkpoint do not notice more than a second SUBSCRIBED.
func ExampleAgent_Restart() {
	patient := func(ctx context.Context, x *mesostest.Conn) error {
		for {
			event, err := x.Next(ctx) // subscribes again by itself
			if err != nil {
				return err
			}
			if event.Type == executor.Event_SHUTDOWN {
				return nil
			}
			for _, task := range mesostest.LaunchedTasks(event) {
				running := mesos.TASK_RUNNING
				if err := x.Update(mesos.TaskStatus{TaskID: task.TaskID, State: &running}); err != nil {
					return err
				}
			}
		}
	}
	master, err := mesostest.NewMaster(mesostest.MasterOptions{})
	if err != nil {
		panic(err)
	}
	defer master.Close()
	agent, err := master.AddAgent(mesostest.AgentOptions{
		Launcher:                      mesostest.Func(patient),
		ExecutorReregistrationTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		panic(err)
	}
	agent.Restart(time.Second) // does not wait
	fmt.Println(agent.ID() == master.Agents()[0].ID())
	// Output: true
}

// A machine that goes down for half an hour: announced, started, and over.
func ExampleMaster_ScheduleMaintenance() {
	master, err := mesostest.NewMaster(mesostest.MasterOptions{})
	if err != nil {
		panic(err)
	}
	defer master.Close()
	agent, err := master.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun)})
	if err != nil {
		panic(err)
	}
	window := mesostest.MaintenanceWindow{
		Start:    time.Now().Add(time.Hour),
		Duration: 30 * time.Minute,
		Agents:   []*mesostest.Agent{agent},
	}
	fmt.Println(master.ScheduleMaintenance(window), len(master.Agents()))
	fmt.Println(master.StartMaintenance(agent), len(master.Agents()))
	fmt.Println(master.StopMaintenance(agent))
	// Output:
	// <nil> 1
	// <nil> 0
	// <nil>
}
