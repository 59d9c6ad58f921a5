package mesostest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// TestMain makes the test binary an executor if the environment asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("MESOSTEST_EXECUTOR") != "" {
		os.Exit(executorMain(os.Getenv("MESOSTEST_EXECUTOR")))
	}
	os.Exit(m.Run())
}

// executorMain is an executor over HTTP, as plain as one can be. Its tasks run until
// they are killed; one that is stubborn ignores SHUTDOWN.
func executorMain(kind string) int {
	call := func(fields object) *http.Response {
		fields["executor_id"] = value(os.Getenv("MESOS_EXECUTOR_ID"))
		fields["framework_id"] = value(os.Getenv("MESOS_FRAMEWORK_ID"))
		body, _ := json.Marshal(fields)
		url := "http://" + os.Getenv("MESOS_AGENT_ENDPOINT") + pathExecutor
		response, err := http.Post(url, codec.MediaJSON, bytes.NewReader(body))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		return response
	}
	update := func(taskID any, state string) {
		u := naming.NewUUID()
		call(object{"type": "UPDATE", "update": object{"status": object{
			"task_id": taskID, "state": state, "source": "SOURCE_EXECUTOR", "uuid": u[:],
			"executor_id": value(os.Getenv("MESOS_EXECUTOR_ID")),
		}}}).Body.Close()
	}
	in := bufio.NewReader(call(object{"type": "SUBSCRIBE", "subscribe": object{}}).Body)
	for {
		length, err := in.ReadString('\n')
		if err != nil {
			return 3
		}
		n, _ := strconv.Atoi(strings.TrimSpace(length))
		record := make([]byte, n)
		if _, err := io.ReadFull(in, record); err != nil {
			return 3
		}
		var event object
		_ = json.Unmarshal(record, &event)
		switch event["type"] {
		case "LAUNCH":
			update(fieldAt(event, "launch", "task", "task_id"), "TASK_RUNNING")
		case "KILL":
			update(fieldAt(event, "kill", "task_id"), "TASK_KILLED")
		case "SHUTDOWN":
			if kind != "stubborn" {
				return 0
			}
		}
	}
}

// selfTask runs on this test binary as its executor.
func selfTask(t testing.TB, offer any, id, kind string) object {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	task := executorTask(offer, id, "exec "+path)
	command := fieldAt(task, "executor", "command").(object)
	command["environment"] = object{"variables": []object{{"name": "MESOSTEST_EXECUTOR", "value": kind}}}
	return task
}
