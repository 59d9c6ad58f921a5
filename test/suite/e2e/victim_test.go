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

// victim is one life of a node: the container of one task.
type victim struct {
	playground.Container
	node     string
	folder   string // of the node's state
	executor int
}

// victim of the node's task, once its executor is there.
func (h *house) victim(node *v1alpha1.MesosNode) victim {
	GinkgoHelper()
	v := victim{node: node.Name, folder: h.nodeFolder(node.Name)}
	Eventually(func(g Gomega) {
		var err error
		v.Container, err = h.Container(node.Status.Task.ID)
		g.Expect(err).NotTo(HaveOccurred())
		v.executor = v.Executor()
		g.Expect(v.executor).NotTo(BeZero())
	}).WithTimeout(30 * time.Second).WithPolling(5 * time.Millisecond).Should(Succeed())
	return v
}

// has says whether a file is in the node's folder.
func (v victim) has(file string) bool {
	_, err := os.Lstat(filepath.Join(v.folder, file))
	return err == nil
}

// lastSubscribed is when the executor last subscribed with its agent.
func (v victim) lastSubscribed() time.Time {
	GinkgoHelper()
	times, err := v.Logged(`msg="Subscribed with agent"`)
	Expect(err).NotTo(HaveOccurred())
	Expect(times).NotTo(BeEmpty())
	return times[len(times)-1]
}

// tracesOf a container that is no more: its processes, folder, mounts, cgroups, network
// interfaces and rules.
func (h *house) tracesOf(ctx SpecContext, v victim) []string {
	var traces []string
	found := func(kind string, all ...string) {
		for _, one := range all {
			traces = append(traces, kind+" "+one)
		}
	}
	for _, pid := range append(playground.InCgroup(v.ID), living([]int{v.executor})...) {
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
	networks := h.livingNetworks()
	for _, command := range []string{"ip -o link", "nft list ruleset"} {
		for line := range strings.Lines(h.onAgent(ctx, command)) {
			if strings.Contains(line, "k8sm-") && !slices.ContainsFunc(networks, func(n string) bool { return strings.Contains(line, n) }) {
				found(command, line)
			}
		}
	}
	return traces
}

// livingNetworks are those that nodes have on record.
func (h *house) livingNetworks() []string {
	GinkgoHelper()
	var networks []string
	records, _ := filepath.Glob(h.nodeFolder("*") + "/k8sm-node.json")
	for _, file := range records {
		var record struct{ Network string }
		Expect(json.Unmarshal([]byte(read(file)), &record)).To(Succeed())
		Expect(record.Network).NotTo(BeEmpty())
		networks = append(networks, record.Network)
	}
	return networks
}

// onAgent runs a command on the network of the agent, where the large node lives, too.
func (h *house) onAgent(ctx SpecContext, command string) string {
	GinkgoHelper()
	living := fmt.Sprint(h.victim(h.AwaitNode(ctx, "large")).executor)
	out, err := exec.CommandContext(ctx, "nsenter", append([]string{"--net=/proc/" + living + "/ns/net"}, strings.Fields(command)...)...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return string(out)
}
