package playground

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpmaster"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	"github.com/mesos/mesos-go/api/v1/lib/master/calls"
)

// AgentView is an agent in the master's answer.
type AgentView struct {
	Hostname string
	// TotalCPUs are the agent's cpus, UsedCPUs the part that tasks and executors use.
	TotalCPUs, UsedCPUs float64
}

// Frameworks returns the names of the registered frameworks.
func (p *Playground) Frameworks(ctx context.Context) ([]string, error) {
	response, err := p.askMaster(ctx, calls.GetFrameworks())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range response.GetGetFrameworks().GetFrameworks() {
		names = append(names, f.FrameworkInfo.Name)
	}
	slices.Sort(names)
	return names, nil
}

// AgentViews returns the master's agents, sorted by host name.
func (p *Playground) AgentViews(ctx context.Context) ([]AgentView, error) {
	response, err := p.askMaster(ctx, calls.GetAgents())
	if err != nil {
		return nil, err
	}
	var views []AgentView
	for _, a := range response.GetGetAgents().GetAgents() {
		views = append(views, AgentView{
			Hostname:  a.AgentInfo.Hostname,
			TotalCPUs: sumCPUs(a.TotalResources),
			UsedCPUs:  sumCPUs(a.AllocatedResources),
		})
	}
	slices.SortFunc(views, func(a, b AgentView) int { return compareNames(a.Hostname, b.Hostname) })
	return views, nil
}

func sumCPUs(resources []mesos.Resource) (sum float64) {
	for i := range resources {
		if resources[i].GetName() == "cpus" {
			sum += resources[i].GetScalar().GetValue()
		}
	}
	return sum
}

// compareNames sorts host-2 before host-10.
func compareNames(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func (p *Playground) askMaster(ctx context.Context, call *master.Call) (*master.Response, error) {
	client := httpcli.New(
		httpcli.Endpoint(p.Master.URL()+"/api/v1"), httpcli.Do((&http.Client{Transport: &http.Transport{}}).Do),
	)
	answer, err := httpmaster.NewSender(client.Send).Send(ctx, calls.NonStreaming(call))
	if answer != nil {
		defer func() { _ = answer.Close() }()
	}
	if err != nil {
		return nil, fmt.Errorf("asking Mesos master for %s: %w", call.Type, err)
	}
	var response master.Response
	if err := answer.Decode(&response); err != nil {
		return nil, fmt.Errorf("decoding Mesos master's answer to %s: %w", call.Type, err)
	}
	return &response, nil
}
