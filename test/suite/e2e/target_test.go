package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// target is the container of one task of a node, on which a spec acts.
type target struct {
	playground.Container
	node     string
	folder   string // of the node's state
	executor int
}

// targetOf returns the container of the node's task, once its executor runs.
func (c *cluster) targetOf(node *v1alpha1.MesosNode) target {
	GinkgoHelper()
	v := target{node: node.Name, folder: c.nodeFolder(node.Name)}
	Eventually(func(g Gomega) {
		var err error
		v.Container, err = c.Container(node.Status.Task.ID)
		g.Expect(err).NotTo(HaveOccurred())
		v.executor = v.Executor()
		g.Expect(v.executor).NotTo(BeZero())
	}).WithTimeout(30 * time.Second).WithPolling(5 * time.Millisecond).Should(Succeed())
	return v
}

// hasFile reports whether the node's folder has the file.
func (v target) hasFile(file string) bool {
	_, err := os.Lstat(filepath.Join(v.folder, file))
	return err == nil
}

// lastSubscribed returns when the executor last subscribed with its agent.
func (v target) lastSubscribed() time.Time {
	GinkgoHelper()
	times, err := v.Logged(`msg="Subscribed with agent"`)
	Expect(err).NotTo(HaveOccurred())
	Expect(times).NotTo(BeEmpty())
	return times[len(times)-1]
}

// tracesOf returns the remains of a container that has ended: processes, folder, mounts,
// cgroups, network interfaces and rules.
func (c *cluster) tracesOf(ctx SpecContext, v target) []string {
	var traces []string
	found := func(kind string, all ...string) {
		for _, one := range all {
			traces = append(traces, kind+" "+one)
		}
	}
	for _, pid := range append(playground.InCgroup(v.ID), stillRunning([]int{v.executor})...) {
		found("process", fmt.Sprint(pid, " ", playground.NameOf(pid)))
	}
	if _, err := os.Stat(v.folder); err == nil {
		found("folder", v.folder)
	}
	for line := range strings.Lines(read("/proc/self/mountinfo")) {
		if strings.Contains(line, v.folder) {
			found("mount", line)
		}
	}
	cgroups, _ := filepath.Glob("/sys/fs/cgroup/*/*/*/" + v.ID)
	unified, _ := filepath.Glob("/sys/fs/cgroup/*/*/" + v.ID)
	found("cgroup", append(cgroups, unified...)...)
	networks := c.recordedNetworks()
	for _, command := range []string{"ip -o link", "nft list ruleset"} {
		for line := range strings.Lines(c.onAgent(ctx, command)) {
			if strings.Contains(line, "k8sm-") && !slices.ContainsFunc(networks, func(n string) bool { return strings.Contains(line, n) }) {
				found(command, line)
			}
		}
	}
	return traces
}

// recordedNetworks returns the networks in the records of the nodes.
func (c *cluster) recordedNetworks() []string {
	GinkgoHelper()
	var networks []string
	records, _ := filepath.Glob(c.nodeFolder("*") + "/k8sm-node.json")
	for _, file := range records {
		var record struct{ Network string }
		Expect(json.Unmarshal([]byte(read(file)), &record)).To(Succeed())
		Expect(record.Network).NotTo(BeEmpty())
		networks = append(networks, record.Network)
	}
	return networks
}

// onAgent runs a command in the network of the agent, which the large node shares.
func (c *cluster) onAgent(ctx SpecContext, command string) string {
	GinkgoHelper()
	living := fmt.Sprint(c.targetOf(c.AwaitNode(ctx, "large")).executor)
	out, err := exec.CommandContext(ctx, "nsenter", append([]string{"--net=/proc/" + living + "/ns/net"}, strings.Fields(command)...)...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return string(out)
}
