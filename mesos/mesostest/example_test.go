package mesostest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// A cluster of three agents, asked for its agents as an operator would.
func Example() {
	master, err := mesostest.NewMaster(mesostest.MasterOptions{})
	if err != nil {
		panic(err)
	}
	defer master.Close()
	for _, rack := range []string{"r1", "r1", "r2"} {
		_, err := master.AddAgent(mesostest.AgentOptions{
			Resources:  "cpus:8;mem:16384;disk:100000;ports:[31000-32000]",
			Attributes: "rack:" + rack,
			Launcher:   mesostest.Func(mesostest.AutoRun),
		})
		if err != nil {
			panic(err)
		}
	}

	response, err := http.Post(master.URL()+"/api/v1", "application/json", bytes.NewBufferString(`{"type": "GET_AGENTS"}`))
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	var answer struct {
		GetAgents struct {
			Agents []struct {
				AgentInfo mesos.AgentInfo `json:"agent_info"`
			} `json:"agents"`
		} `json:"get_agents"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		panic(err)
	}
	for _, a := range answer.GetAgents.Agents {
		fmt.Println(a.AgentInfo.Hostname, a.AgentInfo.Attributes[0].Text.Value)
	}
	// Output:
	// agent-1.example r1
	// agent-2.example r1
	// agent-3.example r2
}

// An executor that is a function: it finishes each task with what the task brought.
func ExampleFunc() {
	finish := func(ctx context.Context, x *mesostest.Conn) error {
		for {
			event, err := x.Next(ctx)
			if err != nil {
				return err
			}
			if event.Type == executor.Event_SHUTDOWN {
				return nil
			}
			for _, task := range mesostest.LaunchedTasks(event) {
				finished := mesos.TASK_FINISHED
				status := mesos.TaskStatus{TaskID: task.TaskID, State: &finished, Data: task.Data}
				if err := x.Update(status); err != nil {
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
	agent, err := master.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(finish)})
	if err != nil {
		panic(err)
	}
	fmt.Println(agent.Hostname())
	// Output: agent-1.example
}

// Three masters, of which the leader dies. Until another one is elected the rest
// redirect to the dead one.
func ExampleNewMasters() {
	masters, err := mesostest.NewMasters(3, mesostest.MasterOptions{})
	if err != nil {
		panic(err)
	}
	defer masters.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func() {
		all := masters.All()
		response, err := client.Post(all[2].URL()+"/api/v1", "application/json", nil)
		if err != nil {
			panic(err)
		}
		defer response.Body.Close()
		for i, m := range all {
			if response.Header.Get("Location") == "//"+m.Addr()+"/master/api/v1" {
				fmt.Println(response.StatusCode, "to master", i)
			}
		}
	}
	ask()
	masters.Kill(0)
	ask()
	masters.Elect(1)
	ask()
	// Output:
	// 307 to master 0
	// 307 to master 0
	// 307 to master 1
}

// A master that loses the answers to the next two calls, and has no leader after.
func ExampleMaster_Inject() {
	master, err := mesostest.NewMaster(mesostest.MasterOptions{})
	if err != nil {
		panic(err)
	}
	defer master.Close()

	master.Inject(func(f *mesostest.Faults) { f.DropResponses = 2 })
	master.Inject(func(f *mesostest.Faults) { f.NoLeader = true })

	response, err := http.Post(master.URL()+"/api/v1/scheduler", "application/json", nil)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	// Output: 503 Service Unavailable
}

// A day in the life of a cluster takes no time in a bubble of testing/synctest: all
// that talk to each other there do so through a Network.
func ExampleNetwork() {
	network := mesostest.NewNetwork()
	listener, err := network.Listen("10.0.0.1:5050")
	if err != nil {
		panic(err)
	}
	master, err := mesostest.NewMaster(mesostest.MasterOptions{Listener: listener})
	if err != nil {
		panic(err)
	}
	defer master.Close()

	client := &http.Client{Transport: &http.Transport{DialContext: network.Dial}}
	response, err := client.Get(master.URL() + "/health")
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	fmt.Println(response.Request.URL.Host, response.Status)
	// Output: 10.0.0.1:5050 200 OK
}

// An agent that is drained, as an operator does before the machine is switched off.
func ExampleAgent_Drain() {
	master, err := mesostest.NewMaster(mesostest.MasterOptions{})
	if err != nil {
		panic(err)
	}
	defer master.Close()
	agent, err := master.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun)})
	if err != nil {
		panic(err)
	}

	agent.Drain(mesostest.NoMaxGrace, false)
	fmt.Println("drained, as nothing runs there:", agent.Drained())
	fmt.Println(agent.Reactivate(), agent.Reactivate())
	// Output:
	// drained, as nothing runs there: true
	// <nil> Agent is not deactivated
}
