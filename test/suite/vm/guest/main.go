// Command guest runs in the virtual machine of test/suite/vm: a Mesos cluster in a box, whose
// agent creates its containers in this machine's cgroups, and an HTTP server through which the
// test outside runs scripts and restarts the agent.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/test/suite/vm/gateway"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := enterAgentCgroup(); err != nil {
		return err
	}
	master, err := mesostest.NewMaster(mesostest.MasterOptions{Address: fmt.Sprintf("%s:%d", gateway.Address, gateway.MasterPort)})
	if err != nil {
		return fmt.Errorf("starting Mesos master: %w", err)
	}
	agent, err := master.AddAgent(mesostest.AgentOptions{
		Hostname:  "agent",
		Address:   fmt.Sprintf("%s:%d", gateway.Address, gateway.AgentPort),
		Resources: "cpus:2;mem:3072;disk:10000;ports:[20000-20999]",
		WorkDir:   "/var/lib/mesos",
		Launcher:  mesostest.ProcessLauncher{CgroupRoot: gateway.CgroupRoot},
	})
	if err != nil {
		return fmt.Errorf("starting Mesos agent: %w", err)
	}
	http.HandleFunc("POST /run", serveRun)
	http.HandleFunc("POST /restart", func(http.ResponseWriter, *http.Request) { agent.Restart(time.Second) })
	return http.ListenAndServe(fmt.Sprintf("%s:%d", gateway.Address, gateway.Port), nil)
}

// enterAgentCgroup moves this process into the cgroup that a Mesos agent has under version 2.
func enterAgentCgroup() error {
	leaf := "/sys/fs/cgroup/" + gateway.CgroupRoot + "/agent/leaf"
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return fmt.Errorf("making the agent's cgroup: %w", err)
	}
	if err := os.WriteFile(leaf+"/cgroup.procs", []byte("0"), 0); err != nil {
		return fmt.Errorf("entering the agent's cgroup: %w", err)
	}
	return nil
}

// serveRun runs a shell script and answers with its output.
func serveRun(w http.ResponseWriter, r *http.Request) {
	cmd := exec.CommandContext(r.Context(), "/bin/sh", "-e")
	cmd.Stdin = r.Body
	output, err := cmd.CombinedOutput()
	answer := gateway.Answer{Output: string(output)}
	if err != nil {
		answer.Error = err.Error()
	}
	_ = json.NewEncoder(w).Encode(answer)
}
