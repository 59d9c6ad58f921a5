package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// removeIPTablesRules deletes what CNI plugins left in the nat tables for pods of a network
// whose removal they were never asked for.
func removeIPTablesRules(network string) error {
	var problems []error
	for _, family := range []string{"iptables", "ip6tables"} {
		if !tool.Has(family + "-save") {
			continue
		}
		problems = append(problems, removeFamilyRules(family, network))
	}
	return errors.Join(problems...)
}

func removeFamilyRules(family, network string) error {
	saved, err := tool.Run(context.Background(), "", family+"-save", "-t", "nat")
	if err != nil {
		return nil // a kernel without this family has none of its rules
	}
	script := natRemovalScript(saved, network)
	if script == "" {
		return nil
	}
	if _, err := tool.Run(context.Background(), script, family+"-restore", "--noflush"); err != nil {
		return fmt.Errorf("removing rules of network %s: %w", network, err)
	}
	return nil
}

// natRemovalScript reads a saved nat table and returns a script for iptables-restore, which
// deletes each rule whose comment names the network, then the plugins' own chains that these
// rules jump to. It is empty if there is nothing to delete.
func natRemovalScript(saved, network string) string {
	var rules, chains []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "-A ") || !strings.Contains(line, `name: \"`+network+`\"`) {
			continue
		}
		from, rest, _ := strings.Cut(line[len("-A "):], " ")
		_, target, jumps := strings.Cut(rest, " -j ")
		target, _, _ = strings.Cut(target, " ")
		if jumps && strings.HasPrefix(target, "CNI-") && !slices.Contains(chains, target) {
			chains = append(chains, target)
		}
		if !slices.Contains(chains, from) {
			rules = append(rules, "-D "+from+" "+rest)
		}
	}
	if len(rules) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("*nat\n")
	for _, r := range rules {
		b.WriteString(r + "\n")
	}
	for _, c := range chains {
		b.WriteString("-F " + c + "\n-X " + c + "\n")
	}
	b.WriteString("COMMIT\n")
	return b.String()
}
