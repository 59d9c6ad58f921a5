package netfilter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// Keeper puts the rules of a node in place, and puts them back when another program has
// removed them: the reload of a firewall removes all that it does not know. It is not safe
// for concurrent use.
type Keeper struct {
	// applied are the scripts that were last applied, by the tables that they are for.
	applied map[string]string
}

// NewKeeper returns a Keeper that has applied nothing yet.
func NewKeeper() *Keeper { return &Keeper{applied: map[string]string{}} }

// Result is what Apply could not do although it succeeded.
type Result struct {
	// HostNetwork is why pods that use the agent's network are denied nothing. It is nil if
	// they are, or if nothing was to be denied to them.
	HostNetwork error
	// IPv6 is why the rules for IPv6 are not in place on a machine that has it.
	IPv6 error
}

// Apply makes the agent's rules those that are wanted. Where they are in place it changes
// nothing. It uses iptables and, if that is missing or fails, nftables.
func (k *Keeper) Apply(ctx context.Context, r Rules) (Result, error) {
	result, withCgroup := k.applyOnce(ctx, r)
	if withCgroup == nil || r.Cgroup == "" {
		return result, withCgroup
	}
	r.Cgroup = ""
	result, err := k.applyOnce(ctx, r)
	result.HostNetwork = withCgroup
	return result, err
}

func (k *Keeper) applyOnce(ctx context.Context, r Rules) (Result, error) {
	byIPTables := k.applyIPTables(ctx, r, families[0])
	if byIPTables == nil {
		return Result{IPv6: k.applyIPv6(ctx, r)}, nil
	}
	if !tool.Has("nft") {
		return Result{}, byIPTables
	}
	if err := k.applyNFTables(ctx, r); err != nil {
		return Result{}, errors.Join(byIPTables, err)
	}
	return Result{}, nil
}

// applyIPv6 does nothing on a machine without IPv6.
func (k *Keeper) applyIPv6(ctx context.Context, r Rules) error {
	if addresses, err := os.ReadFile("/proc/thread-self/net/if_inet6"); err != nil || len(addresses) == 0 {
		return nil
	}
	return k.applyIPTables(ctx, r, families[1])
}

// applyIPTables writes the rules of one version of IP.
func (k *Keeper) applyIPTables(ctx context.Context, r Rules, f family) error {
	programs := f.programs(ctx)
	for _, t := range r.tables(f) {
		for i, program := range programs {
			if i > 0 && t.name != "filter" {
				break // what is denied or excepted once is enough
			}
			if err := k.applyTable(ctx, program, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *Keeper) applyTable(ctx context.Context, program string, t table) error {
	saved, err := tool.Run(ctx, "", program+"-save", "-t", t.name)
	if err != nil {
		return fmt.Errorf("reading the agent's rules: %w", err)
	}
	key, wanted := program+" "+t.name, t.script("", true)
	script := t.script(saved, k.applied[key] != wanted)
	if script == "" {
		return nil
	}
	if err := restore(ctx, program, script); err != nil {
		return fmt.Errorf("writing the node's rules into table %s: %w", t.name, err)
	}
	k.applied[key] = wanted
	return nil
}

func (k *Keeper) applyNFTables(ctx context.Context, r Rules) error {
	const key = "nft"
	script := r.nftScript()
	if k.applied[key] == script && isListed(ctx, nftTable(r.Name)) {
		return nil
	}
	if _, err := tool.Run(ctx, script, "nft", "-f", "-"); err != nil {
		return fmt.Errorf("writing the node's rules: %w", err)
	}
	k.applied[key] = script
	return nil
}

func isListed(ctx context.Context, table string) bool {
	_, err := tool.Run(ctx, "", "nft", append([]string{"list", "table"}, strings.Fields(table)...)...)
	return err == nil
}

const (
	// restoreTries is the number of attempts to write rules: iptables-restore fails while
	// another program writes, and old versions of it have no flag to wait.
	restoreTries = 5
	// restorePause is the time between two attempts.
	restorePause = 200 * time.Millisecond
)

func restore(ctx context.Context, command, script string) error {
	var err error
	for range restoreTries {
		if _, err = tool.Run(ctx, script, command+"-restore", "--noflush"); err == nil || ctx.Err() != nil {
			return err
		}
		if !strings.Contains(err.Error(), "exit status 4") {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(restorePause):
		}
	}
	return err
}

// removeChains runs the script of each table; an empty script removes nothing.
func removeChains(ctx context.Context, program string, script func(table, saved string) string) error {
	var problems []error
	for _, name := range []string{"raw", "mangle", "filter", "nat"} {
		saved, err := tool.Run(ctx, "", program+"-save", "-t", name)
		if err != nil {
			continue // without the tool, or in a kernel without this version of IP, there are none
		}
		if removal := script(name, saved); removal != "" {
			problems = append(problems, restore(ctx, program, removal))
		}
	}
	return errors.Join(problems...)
}

// Remove removes the rules of a node from all tables, by whichever program they were written.
// It goes on after an error.
func Remove(network string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var problems []error
	for _, f := range families {
		for _, program := range f.programs(ctx) {
			problems = append(problems, removeChains(ctx, program, func(name, saved string) string { return removalScript(name, saved, network) }))
		}
	}
	if tool.Has("nft") && isListed(ctx, nftTable(network)) {
		_, err := tool.Run(ctx, "delete table "+nftTable(network)+"\n", "nft", "-f", "-")
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("removing the rules of network %s: %w", network, err)
	}
	return nil
}
