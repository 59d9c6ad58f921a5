package mesostest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestExecutorsShowTheirOwnToken(t *testing.T) {
	launcher := newScriptedLauncher()
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: launcher, ExecutorKey: []byte("key")}, func(b *virtualCluster) {
		for _, id := range []string{"mine", "other"} {
			offer := b.offerOf(b.agent)
			b.launch(offer, 0, executorTask(offer, id, "executor"))
			time.Sleep(time.Second)
		}
		token := func(id string) string {
			for _, v := range launcher.process(id).container.Env {
				if token, ok := strings.CutPrefix(v, "MESOS_EXECUTOR_AUTHENTICATION_TOKEN="); ok {
					return "Bearer " + token
				}
			}
			return ""
		}
		for name, test := range map[string]struct {
			authorization string
			status        int
			want          string
		}{
			"the executor's own token":      {token("mine"), http.StatusOK, ""},
			"the token of another executor": {token("other"), http.StatusForbidden, "does not contain an 'eid' claim with the executor ID mine"},
			"no token":                      {"", http.StatusUnauthorized, "401"},
			"a truncated token":             {strings.TrimSuffix(token("mine"), "x")[:40], http.StatusUnauthorized, "401"},
			"a token with other claims":     {strings.Replace(token("mine"), ".ey", ".eyx", 1), http.StatusUnauthorized, "401"},
		} {
			response := b.httpClient.post("http://"+b.agent.Addr()+pathExecutor, map[string]string{"Authorization": test.authorization}, object{
				"type": "SUBSCRIBE", "executor_id": value("mine"), "framework_id": value(b.frameworkID), "subscribe": object{},
			})
			body := ""
			if response.StatusCode != http.StatusOK {
				raw, _ := io.ReadAll(response.Body)
				body = string(raw)
			}
			response.Body.Close()
			if response.StatusCode != test.status || !strings.Contains(body, test.want) {
				b.Errorf("with %s: got %s: %s", name, response.Status, body)
			}
		}
	})
}
