package netfilter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// chain is a chain of the node's own, and its rules without -A and the name.
type chain struct {
	name  string
	rules []string
}

// hook is a rule in a chain that belongs to all.
type hook struct {
	chain, rule string
	// before finds the first rule that the hook must precede. Nil: it must be the first.
	before func(rule string) bool
}

// table is what the node has in one table of iptables.
type table struct {
	name   string
	chains []chain
	hooks  []hook
}

// chainName returns the common beginning of the node's chains. The kernel takes up to 28
// characters.
func (r Rules) chainName() string { return chainName(r.Name) }

func chainName(network string) string { return "K8SM-" + strings.TrimPrefix(network, "k8sm-") }

// tables returns what the node has in the tables of one version of IP.
func (r Rules) tables(f family) []table {
	var all []table
	if !r.deniesNothing() {
		all = append(all, r.denyTable(f))
	}
	if r.Bridge == "" {
		return all
	}
	name := r.chainName()
	all = append(all, table{
		name:   "filter",
		chains: []chain{{name, []string{"-i " + r.Bridge + " -j ACCEPT", "-o " + r.Bridge + " -j ACCEPT"}}},
		hooks:  []hook{{"FORWARD", "-j " + name, isFinal}},
	})
	if internal := f.prefixes(r.Internal); len(internal) > 0 {
		exceptions := chain{name: name}
		for _, from := range internal {
			for _, to := range internal {
				exceptions.rules = append(exceptions.rules, fmt.Sprintf("-s %s -d %s -j ACCEPT", from, to))
			}
		}
		all = append(all, table{
			name: "nat", chains: []chain{exceptions},
			// The bridge plugin appends its rules for each pod.
			hooks: []hook{{"POSTROUTING", "-j " + name, func(rule string) bool { return strings.Contains(rule, `name: \"`+r.Name+`\"`) }}},
		})
	}
	return all
}

// denyTable denies in the table mangle: it is passed after address translation, and no rule
// of another program that accepts in the table filter comes before it.
func (r Rules) denyTable(f family) table {
	name := r.chainName()
	denied := name + "-D"
	in, out := chain{name: name}, chain{name: name + "-O"}
	if r.Bridge != "" {
		in.rules = append(in.rules, "-i "+r.Bridge+" -j "+denied)
	}
	for _, p := range f.prefixes(r.PodCIDRs) {
		in.rules = append(in.rules, "-s "+p.String()+" -j "+denied)
		// IPVS sends from here what it took in for a Service.
		out.rules = append(out.rules, "-s "+p.String()+" -j "+denied)
	}
	if r.Cgroup != "" {
		out.rules = append(out.rules, "-m cgroup --path "+r.Cgroup+" -j "+denied)
	}
	return table{
		name: "mangle", chains: []chain{{denied, r.deniedRules(f)}, in, out},
		hooks: []hook{{"INPUT", "-j " + in.name, nil}, {"FORWARD", "-j " + in.name, nil}, {"POSTROUTING", "-j " + out.name, nil}},
	}
}

// deniedRules judge a packet of a pod.
func (r Rules) deniedRules(f family) []string {
	rules := []string{"-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"}
	if r.AgentPort != 0 {
		rules = append(rules, "-p tcp -m addrtype --dst-type LOCAL -m tcp --dport "+port(r.AgentPort)+" -j DROP")
	}
	add := func(all []Destination, target string) {
		for _, d := range f.destinations(all) {
			rule := "-d " + d.Prefix.String()
			if d.Port != 0 {
				rule += " -p tcp -m tcp --dport " + port(d.Port)
			}
			rules = append(rules, rule+" -j "+target)
		}
	}
	add(r.Deny, "DROP")
	add(r.Allow, "RETURN")
	internal := f.prefixes(r.Internal)
	for _, p := range internal {
		rules = append(rules, "-d "+p.String()+" -j RETURN")
	}
	if r.AgentPort != 0 && len(internal) > 0 {
		rules = append(rules, "-p tcp -m tcp --dport "+port(r.AgentPort)+" -j DROP")
	}
	add(r.DenyAlso, "DROP")
	return rules
}

func port(p uint16) string { return strconv.Itoa(int(p)) }

// script returns what makes a table as it should be, for iptables-restore --noflush. It is
// empty if the saved table is so already, which is judged by the number of rules: their text
// is not saved as it was written.
func (t table) script(saved string, changed bool) string {
	var lines []string
	current := !changed
	for _, c := range t.chains {
		lines = append(lines, ":"+c.name+" - [0:0]")
		current = current && len(rulesOf(saved, c.name)) == len(c.rules)
	}
	for _, c := range t.chains {
		for _, rule := range c.rules {
			lines = append(lines, "-A "+c.name+" "+rule)
		}
	}
	for _, h := range t.hooks {
		if changes := h.changes(rulesOf(saved, h.chain)); len(changes) > 0 {
			lines, current = append(lines, changes...), false
		}
	}
	if current {
		return ""
	}
	return "*" + t.name + "\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"
}

// changes puts the hook where it belongs among the rules of its chain. A hook that has to be
// the first only has to be there: several nodes of an agent would displace each other.
func (h hook) changes(rules []string) []string {
	at := slices.Index(rules, h.rule)
	if h.before == nil {
		if at >= 0 {
			return nil
		}
		return []string{"-I " + h.chain + " 1 " + h.rule}
	}
	limit := slices.IndexFunc(rules, h.before)
	switch {
	case at >= 0 && (limit < 0 || at < limit):
		return nil
	case limit < 0:
		return []string{"-A " + h.chain + " " + h.rule}
	}
	insert := []string{fmt.Sprintf("-I %s %d %s", h.chain, limit+1, h.rule)}
	if at >= 0 {
		return append([]string{"-D " + h.chain + " " + h.rule}, insert...)
	}
	return insert
}

// rulesOf returns the rules of a chain in a saved table, in their order.
func rulesOf(saved, name string) []string {
	var rules []string
	for line := range strings.Lines(saved) {
		if rule, ok := strings.CutPrefix(strings.TrimRight(line, "\n "), "-A "+name+" "); ok {
			rules = append(rules, rule)
		}
	}
	return rules
}

// isFinal reports whether a rule of a saved table denies whatever reaches it.
func isFinal(rule string) bool {
	return strings.HasPrefix(rule, "-j DROP") || strings.HasPrefix(rule, "-j REJECT")
}

// removalScript returns what removes the node's chains from a saved table, and everything
// that leads to them. It is empty if there is none.
func removalScript(tableName, saved, network string) string {
	own := chainName(network)
	isOwn := func(name string) bool { return name == own || name == own+"-D" || name == own+"-O" }
	return removal(tableName, saved, isOwn)
}

// removal returns a script that removes all chains that are meant, and the rules elsewhere
// that jump to them.
func removal(tableName, saved string, meant func(chain string) bool) string {
	var jumps, chains []string
	for line := range strings.Lines(saved) {
		line = strings.TrimRight(line, "\n ")
		if declared, ok := strings.CutPrefix(line, ":"); ok {
			if name, _, _ := strings.Cut(declared, " "); meant(name) {
				chains = append(chains, name)
			}
			continue
		}
		rule, ok := strings.CutPrefix(line, "-A ")
		if !ok {
			continue
		}
		from, _, _ := strings.Cut(rule, " ")
		if !meant(from) && meant(targetOf(rule)) {
			jumps = append(jumps, "-D "+rule)
		}
	}
	if len(chains) == 0 {
		return ""
	}
	lines := append([]string{"*" + tableName}, jumps...)
	for _, c := range chains {
		lines = append(lines, "-F "+c)
	}
	for _, c := range chains {
		lines = append(lines, "-X "+c)
	}
	return strings.Join(append(lines, "COMMIT"), "\n") + "\n"
}

// targetOf returns the chain or verdict that a saved rule leads to.
func targetOf(rule string) string {
	for _, flag := range []string{" -j ", " -g "} {
		if at := strings.LastIndex(rule, flag); at >= 0 {
			target, _, _ := strings.Cut(rule[at+len(flag):], " ")
			return target
		}
	}
	return ""
}
