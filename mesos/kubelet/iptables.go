package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// masqueradeTools are what CNI plugins set up address translation with.
var masqueradeTools = []string{"iptables", "nft"}

func haveMasqueradeTool() bool {
	return slices.ContainsFunc(masqueradeTools, func(tool string) bool {
		_, err := exec.LookPath(tool)
		return err == nil
	})
}

// removeTranslations deletes what CNI plugins left in the nat tables for pods of a
// network whose removal they were never asked for.
func removeTranslations(network string) error {
	var problems []error
	for _, family := range []string{"iptables", "ip6tables"} {
		if _, err := exec.LookPath(family + "-save"); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		saved, err := exec.CommandContext(ctx, family+"-save", "-t", "nat").Output()
		if err != nil {
			cancel()
			continue // a kernel without this family has nothing of it
		}
		if script := translationRemoval(string(saved), network); script != "" {
			restore := exec.CommandContext(ctx, family+"-restore", "--noflush")
			restore.Stdin = strings.NewReader(script)
			var said bytes.Buffer
			restore.Stderr = &said
			if err := restore.Run(); err != nil {
				problems = append(problems, fmt.Errorf("removing rules of network %s: %w: %s", network, err, said.String()))
			}
		}
		cancel()
	}
	return errors.Join(problems...)
}

// translationRemoval reads a saved nat table and returns what iptables-restore needs
// to be told: delete each rule whose comment names the network, then the chain of the
// plugin's own that it jumps to.
func translationRemoval(saved, network string) string {
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
