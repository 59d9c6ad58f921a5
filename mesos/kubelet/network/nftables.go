package network

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// The tables in which CNI plugins keep their rules where there is no iptables. The comments
// of masquerading rules name the network; the comments of port mappings name only a container's ID.
const (
	masqueradeTable = "inet cni_plugins_masquerade"
	hostPortTable   = "cni_hostport"
)

// removeNFTablesRules does for nftables what removeIPTablesRules does for iptables.
func removeNFTablesRules(network string) error {
	if !tool.Has("nft") {
		return nil
	}
	ctx := context.Background()
	rules := parseNFTRules(listNFTTable(ctx, masqueradeTable))
	var ids []string
	var script strings.Builder
	for _, r := range rules {
		_, description, found := strings.Cut(r.comment, ", net: "+network+", ")
		if !found {
			continue
		}
		script.WriteString(r.deletion(masqueradeTable))
		if _, id, ok := strings.Cut(description, "id: "); ok && len(id) >= minContainerID {
			ids = append(ids, id) // its end may be cut off
		}
	}
	for _, table := range []string{"ip " + hostPortTable, "ip6 " + hostPortTable} {
		for _, r := range parseNFTRules(listNFTTable(ctx, table)) {
			if slices.ContainsFunc(ids, func(id string) bool { return strings.HasPrefix(r.comment, id) }) {
				script.WriteString(r.deletion(table))
			}
		}
	}
	if script.Len() == 0 {
		return nil
	}
	if _, err := tool.Run(ctx, script.String(), "nft", "-f", "-"); err != nil {
		return fmt.Errorf("removing rules of network %s: %w", network, err)
	}
	return nil
}

// minContainerID is the shortest part of a container's ID, in digits, that identifies it.
const minContainerID = 32

// listNFTTable returns what nft lists, or nothing where there is no such table.
func listNFTTable(ctx context.Context, table string) string {
	args := append([]string{"-a", "list", "table"}, strings.Fields(table)...)
	listed, err := tool.Run(ctx, "", "nft", args...)
	if err != nil {
		return ""
	}
	return listed
}

// nftRule is one rule with a comment.
type nftRule struct{ chain, handle, comment string }

func (r nftRule) deletion(table string) string {
	return "delete rule " + table + " " + r.chain + " handle " + r.handle + "\n"
}

// parseNFTRules reads what nft -a lists of a table.
func parseNFTRules(listed string) []nftRule {
	var rules []nftRule
	chain := ""
	for line := range strings.Lines(listed) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[0] == "chain" {
			chain = fields[1]
			continue
		}
		_, commented, ok := strings.Cut(line, ` comment "`)
		comment, rest, closed := strings.Cut(commented, `"`)
		_, handle, handled := strings.Cut(rest, "# handle ")
		if ok && closed && handled && chain != "" {
			rules = append(rules, nftRule{chain, strings.TrimSpace(handle), comment})
		}
	}
	return rules
}
