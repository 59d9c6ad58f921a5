package netfilter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// Kubernetes' ports on a machine, in the network of the machine: kubelet and kube-proxy,
// health and metrics. Our own kubelets do not listen there, and our kube-proxy is a pod.
var kubernetesPorts = []int{10248, 10249, 10250, 10256}

// kubernetesPrograms are the names of processes that make or need kube-proxy's rules.
var kubernetesPrograms = []string{"kubelet", "kube-proxy", "k3s", "k3s-agent", "k3s-server", "rke2", "k0s", "microk8s", "kubelite"}

// ForeignKubernetes returns what of another Kubernetes node runs on this machine, "" if
// nothing is seen. In a PID namespace of its own the executor sees ports only.
func ForeignKubernetes() string { return foreignKubernetes("/proc") }

func foreignKubernetes(proc string) string {
	for _, file := range []string{"tcp", "tcp6"} {
		data, err := os.ReadFile(filepath.Join(proc, "thread-self", "net", file))
		if err != nil {
			continue // a kernel without this version of IP
		}
		for _, port := range listeningPorts(string(data)) {
			if slices.Contains(kubernetesPorts, port) {
				return "a process that listens on port " + strconv.Itoa(port)
			}
		}
	}
	names, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	for _, file := range names {
		data, err := os.ReadFile(file)
		name := strings.TrimSpace(string(data))
		if err == nil && slices.Contains(kubernetesPrograms, name) {
			return "the process " + filepath.Base(filepath.Dir(file)) + ", " + name
		}
	}
	return ""
}

// listeningPorts reads /proc/net/tcp.
func listeningPorts(table string) (ports []int) {
	const listens = "0A"
	lines := bufio.NewScanner(strings.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != listens {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
			ports = append(ports, int(port))
		}
	}
	return ports
}

// proxyTables are those of kube-proxy with nftables.
var proxyTables = []string{"ip kube-proxy", "ip6 kube-proxy"}

// RemoveProxyRules removes the rules of kube-proxy, which does not do so when it ends. The
// caller sees to it that none runs on this machine. It goes on after an error.
func RemoveProxyRules() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var problems []error
	for _, f := range families {
		for _, program := range f.allPrograms() {
			problems = append(problems, removeChains(ctx, program, func(name, saved string) string {
				return removal(name, saved, isProxyChain)
			}))
		}
	}
	for _, table := range proxyTables {
		if tool.Has("nft") && isListed(ctx, table) {
			_, err := tool.Run(ctx, "delete table "+table+"\n", "nft", "-f", "-")
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("removing the rules of kube-proxy: %w", err)
	}
	return nil
}

// allPrograms returns all variants of iptables that have rules.
func (f family) allPrograms() []string {
	all := []string{f.command}
	if tool.Has(f.command + "-nft-save") {
		all = append(all, f.command+"-nft")
	}
	if tool.Has(f.command+"-legacy-save") && len(legacyTables(f)) > 0 {
		all = append(all, f.command+"-legacy")
	}
	return all
}

// isProxyChain reports whether a chain is kube-proxy's, or one of the kubelet's that
// kube-proxy uses. kube-router's begin alike.
func isProxyChain(chain string) bool {
	if !strings.HasPrefix(chain, "KUBE-") {
		return false
	}
	return !slices.ContainsFunc([]string{"KUBE-ROUTER", "KUBE-POD-FW-", "KUBE-NWPLCY-"}, func(other string) bool { return strings.HasPrefix(chain, other) })
}
