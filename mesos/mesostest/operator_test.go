package mesostest

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestOperatorCallsThatAreRefused(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	const validate = "Failed to validate master::Call: "
	for name, test := range map[string]struct {
		call   string
		status int
		text   string
	}{
		"no type":                           {`{}`, 400, validate + "Expecting 'type' to be present"},
		"an unknown type":                   {`{"type":"NO_SUCH"}`, 400, validate + "Expecting 'type' to be present"},
		"no message":                        {`{"type":"TEARDOWN"}`, 400, validate + "Expecting 'teardown' to be present"},
		"an unknown framework":              {`{"type":"TEARDOWN","teardown":{"framework_id":{"value":"f"}}}`, 400, "No framework found with specified ID"},
		"an unknown agent":                  {`{"type":"MARK_AGENT_GONE","mark_agent_gone":{"agent_id":{"value":"a"}}}`, 404, "Agent 'a' not found"},
		"drain of an unknown agent":         {`{"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"a"}}}`, 400, "Unknown agent"},
		"deactivation of an unknown agent":  {`{"type":"DEACTIVATE_AGENT","deactivate_agent":{"agent_id":{"value":"a"}}}`, 400, "Unknown agent"},
		"reactivation of an unknown agent":  {`{"type":"REACTIVATE_AGENT","reactivate_agent":{"agent_id":{"value":"a"}}}`, 400, "Agent is not deactivated"},
		"a reservation on an unknown agent": {`{"type":"RESERVE_RESOURCES","reserve_resources":{"agent_id":{"value":"a"},"resources":[]}}`, 400, "No agent found with specified ID"},
		"a quota of a nested role":          {`{"type":"UPDATE_QUOTA","update_quota":{"quota_configs":[{"role":"a/b"}]}}`, 400, "Updating quota on nested role 'a/b' is not supported yet"},
		"a weight of 0":                     {`{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"a","weight":0}]}}`, 400, "Failed to validate update weights request JSON for role 'a': Invalid weight '0': Weights must be positive"},
		"a weight of an invalid role":       {`{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"-a","weight":1}]}}`, 400, "Failed to validate update weights request JSON: Invalid role '-a': Role component '-a' is invalid because it begins with a dash"},
		"a call that is not implemented":    {`{"type":"GET_FLAGS"}`, 501, "GET_FLAGS is not implemented"},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := http.Post(m.URL()+pathOperator, "application/json", strings.NewReader(test.call))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status || string(body) != test.text {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, test.status, test.text)
			}
		})
	}
}

func TestAgentsAreMarkedGoneOnce(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
	if m.MarkAgentGone("unknown") {
		t.Error("an agent that is unknown was marked gone")
	}
	for range 2 {
		if !m.MarkAgentGone(a.ID()) {
			t.Error("the agent is unknown")
		}
	}
	if len(m.Agents()) != 0 {
		t.Errorf("there are still %d agents", len(m.Agents()))
	}
}

func TestFrameworksAreRemovedOnce(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	if err := m.RemoveFramework(s.frameworkID); err != nil {
		t.Error(err)
	}
	want := `removing framework "` + s.frameworkID + `": the master does not know it`
	if err := m.RemoveFramework(s.frameworkID); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
