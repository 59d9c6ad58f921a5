package netfilter

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// programs returns the variants of iptables in which the agent may have rules: the agent's
// default, and others if a chain FORWARD there keeps back what our own rules must let through.
// Docker and the agent may use different ones, and the kernel heeds both.
func (f family) programs(ctx context.Context) []string {
	all := []string{f.command}
	for _, variant := range []string{"-nft", "-legacy"} {
		command := f.command + variant
		if !tool.Has(command + "-save") {
			continue
		}
		// Listing a legacy table that does not exist yet would make it.
		if variant == "-legacy" && !slices.Contains(legacyTables(f), "filter") {
			continue
		}
		if saved, err := tool.Run(ctx, "", command+"-save", "-t", "filter"); err == nil && (restrictsForwarding(saved) || strings.Contains(saved, "\n:K8SM-")) {
			all = append(all, command)
		}
	}
	return all
}

// legacyTables names the tables that legacy iptables has in the kernel.
func legacyTables(f family) []string {
	file := "/proc/thread-self/net/ip_tables_names"
	if !f.is4 {
		file = "/proc/thread-self/net/ip6_tables_names"
	}
	data, _ := os.ReadFile(file) // missing without the module
	return strings.Fields(string(data))
}

// restrictsForwarding reports whether the chain FORWARD of a saved table drops what none of
// its rules accepts.
func restrictsForwarding(saved string) bool {
	return strings.Contains(saved, ":FORWARD DROP") || slices.ContainsFunc(rulesOf(saved, "FORWARD"), isFinal)
}

// Forwarding is what rules of nftables, which no rule of ours can overrule, do with the
// traffic of pods.
type Forwarding struct {
	// Blocked names a chain that drops all new connections; "" if there is none.
	Blocked string
	// Doubtful names a chain that drops what it does not accept; "" if there is none.
	Doubtful string
}

// CheckForwarding looks at the chains of nftables that see forwarded packets. The chains of
// iptables are not among them, because Apply accepts there.
func CheckForwarding(ctx context.Context) Forwarding {
	var found Forwarding
	if !tool.Has("nft") {
		return found
	}
	listed, err := tool.Run(ctx, "", "nft", "list", "chains")
	if err != nil {
		return found // a kernel without nftables
	}
	for _, c := range forwardChains(listed) {
		if c.table == "filter" && c.family == "ip" && tool.Has("iptables") {
			continue
		}
		text, err := tool.Run(ctx, "", "nft", "list", "chain", c.family, c.table, c.name)
		if err != nil {
			continue
		}
		name := fmt.Sprintf("the chain %q of nftables' table %s %s", c.name, c.family, c.table)
		switch judgeChain(text) {
		case dropsAll:
			found.Blocked = name
		case dropsOthers:
			found.Doubtful = name
		}
	}
	return found
}

// baseChain is a chain of nftables that the kernel calls.
type baseChain struct{ family, table, name string }

// forwardChains reads what nft lists of all chains, and returns those that see forwarded
// packets of IPv4.
func forwardChains(listed string) (chains []baseChain) {
	var current baseChain
	for line := range strings.Lines(listed) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 2 && fields[0] == "table":
			current.family, current.table = fields[1], fields[2]
		case len(fields) > 1 && fields[0] == "chain":
			current.name = fields[1]
		case strings.Contains(line, "type filter hook forward") && (current.family == "ip" || current.family == "inet"):
			chains = append(chains, current)
		}
	}
	return chains
}

// The judgements of a chain.
const (
	dropsNothing = iota
	// dropsOthers: it drops what it does not accept.
	dropsOthers
	// dropsAll: no rule of it accepts a new connection.
	dropsAll
)

// judgeChain reads what nft lists of one chain.
func judgeChain(text string) int {
	restricts, accepts := false, false
	for line := range strings.Lines(text) {
		rule, _, _ := strings.Cut(strings.TrimSpace(line), " comment ")
		switch {
		case strings.HasPrefix(rule, "type "):
			restricts = strings.Contains(rule, "policy drop")
		case rule == "drop" || strings.HasPrefix(rule, "reject") || strings.HasPrefix(rule, "counter") && (strings.HasSuffix(rule, " drop") || strings.Contains(rule, " reject")) && len(strings.Fields(rule)) <= 8:
			restricts = true
		case acceptsNew(rule):
			accepts = true
		}
	}
	switch {
	case !restricts:
		return dropsNothing
	case accepts:
		return dropsOthers
	}
	return dropsAll
}

// acceptsNew reports whether a rule may accept a new connection, itself or in another chain.
func acceptsNew(rule string) bool {
	if strings.HasPrefix(rule, `iifname "lo"`) || strings.HasPrefix(rule, `oifname "lo"`) || strings.HasPrefix(rule, `iif "lo"`) {
		return false
	}
	if strings.Contains(rule, "ct state") && !strings.Contains(rule, "new") && !strings.Contains(rule, "vmap") {
		return false
	}
	return slices.ContainsFunc(strings.Fields(rule), func(word string) bool {
		return slices.Contains([]string{"accept", "jump", "goto", "queue", "vmap"}, strings.Trim(word, ",;"))
	})
}
