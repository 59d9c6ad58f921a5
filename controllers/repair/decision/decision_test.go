package decision

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/controllers/disruptionbudget"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// fleet returns nodes of a zone: names begin with prefix, and the first bad ones have been unhealthy
// for an hour and have been due for minutes.
func fleet(prefix, zone string, nodes, bad int) (out []Node) {
	for i := range nodes {
		n := Node{Name: fmt.Sprintf("%s%d", prefix, i), Zone: zone}
		if i < bad {
			n.UnhealthyFrom, n.Due = noon.Add(-time.Hour), noon.Add(-time.Minute)
		}
		out = append(out, n)
	}
	return out
}

// describe shortens a plan: "replace a0 a1; open pool 3/10, zone b 2/3; 2 held back; next +5m0s".
func describe(p Plan) string {
	var parts []string
	if len(p.Replace) > 0 {
		parts = append(parts, "replace "+strings.Join(p.Replace, " "))
	}
	for _, s := range p.Open {
		name := "pool"
		if s.Zone != "" {
			name = "zone " + s.Zone
		}
		parts = append(parts, fmt.Sprintf("open: %s, %d of %d, %d may be", name, s.Unhealthy, s.Nodes, s.Allowed))
	}
	if p.HeldBack > 0 {
		parts = append(parts, fmt.Sprintf("%d held back", p.HeldBack))
	}
	if !p.Next.IsZero() {
		parts = append(parts, fmt.Sprintf("next +%s", p.Next.Sub(noon)))
	}
	return strings.Join(parts, "; ")
}

func TestDecide(t *testing.T) {
	soon := func(from, due time.Duration) []Node {
		return append(fleet("a", "", 9, 0), Node{Name: "b", UnhealthyFrom: noon.Add(from), Due: noon.Add(due)})
	}
	for name, test := range map[string]struct {
		most  intstr.IntOrString // 20% if it is not set
		nodes []Node
		pool  func(*Pool)
		want  string
	}{
		"nothing happens while all nodes work":             {nodes: fleet("a", "", 10, 0)},
		"no node is fine, too":                             {},
		"the only node of a pool is replaced":              {nodes: fleet("a", "", 1, 1), want: "replace a0"},
		"one of two nodes is replaced":                     {nodes: fleet("a", "", 2, 1), want: "replace a0"},
		"of two that fail at once none is":                 {nodes: fleet("a", "", 2, 2), want: "open: pool, 2 of 2, 1 may be; 2 held back"},
		"as many as there may be are replaced together":    {nodes: fleet("a", "", 10, 2), want: "replace a0 a1"},
		"one more, and none is":                            {nodes: fleet("a", "", 10, 3), want: "open: pool, 3 of 10, 2 may be; 3 held back"},
		"a rule that matches every node replaces none":     {nodes: fleet("a", "", 50, 50), want: "open: pool, 50 of 50, 10 may be; 50 held back"},
		"a percentage is rounded up":                       {nodes: fleet("a", "", 6, 2), want: "replace a0 a1"},
		"a number is a number":                             {most: intstr.FromInt32(3), nodes: fleet("a", "", 100, 3), want: "replace a0 a1 a2"},
		"one more than the number":                         {most: intstr.FromInt32(3), nodes: fleet("a", "", 100, 4), want: "open: pool, 4 of 100, 3 may be; 4 held back"},
		"100% is all":                                      {most: intstr.FromString("100%"), nodes: fleet("a", "", 3, 3), want: "replace a0 a1 a2"},
		"a zone that is dark is not replaced":              {nodes: slices.Concat(fleet("a", "a", 4, 4), fleet("b", "b", 20, 0)), want: "open: zone a, 4 of 4, 1 may be; 4 held back"},
		"a node of another zone is, meanwhile":             {nodes: slices.Concat(fleet("a", "a", 4, 3), fleet("b", "b", 20, 1)), want: "replace b0; open: zone a, 3 of 4, 1 may be; 3 held back"},
		"a node without a zone is, meanwhile":              {nodes: slices.Concat(fleet("a", "a", 4, 3), fleet("b", "", 20, 1)), want: "replace b0; open: zone a, 3 of 4, 1 may be; 3 held back"},
		"two nodes are no zone":                            {nodes: slices.Concat(fleet("a", "a", 2, 2), fleet("b", "b", 10, 0)), want: "replace a0 a1"},
		"three are":                                        {nodes: slices.Concat(fleet("a", "a", 3, 2), fleet("b", "b", 10, 0)), want: "open: zone a, 2 of 3, 1 may be; 2 held back"},
		"a dark zone may be too much for the pool":         {nodes: slices.Concat(fleet("a", "a", 5, 5), fleet("b", "b", 5, 0), fleet("c", "c", 5, 1)), want: "open: pool, 6 of 15, 3 may be; open: zone a, 5 of 5, 1 may be; 6 held back"},
		"a node that is not due yet":                       {nodes: soon(-time.Minute, 5*time.Minute), want: "next +5m0s"},
		"a node that is still starting":                    {nodes: soon(4*time.Minute, 14*time.Minute), want: "next +4m0s"},
		"nodes that are not due count, too":                {nodes: slices.Concat(soon(-time.Second, time.Hour), fleet("c", "", 3, 3)), want: "open: pool, 4 of 13, 3 may be; 3 held back; next +1h0m0s"},
		"a node that is unhealthy and never due":           {nodes: append(fleet("a", "", 9, 0), Node{Name: "b", UnhealthyFrom: noon})},
		"nobody is judged while Mesos cannot be asked":     {nodes: fleet("a", "", 10, 1), pool: func(p *Pool) { p.Never = true }},
		"nor too soon after":                               {nodes: fleet("a", "", 10, 1), pool: func(p *Pool) { p.NotBefore = noon.Add(40 * time.Second) }, want: "next +40s"},
		"nor before its own time":                          {nodes: soon(-time.Minute, 5*time.Minute), pool: func(p *Pool) { p.NotBefore = noon.Add(40 * time.Second) }, want: "next +5m0s"},
		"the end of that time is the time":                 {nodes: fleet("a", "", 10, 1), pool: func(p *Pool) { p.NotBefore = noon }, want: "replace a0"},
		"too many are reported also if nobody is judged":   {nodes: fleet("a", "", 10, 5), pool: func(p *Pool) { p.Never = true }, want: "open: pool, 5 of 10, 2 may be"},
		"starting nodes do not open a breaker":             {nodes: starting(10, time.Minute), want: "next +1m0s"},
		"nodes that never start open one before their due": {nodes: starting(10, -time.Minute), want: "open: pool, 10 of 10, 2 may be; next +9m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Pool{Now: noon, MaxUnhealthy: test.most, Nodes: test.nodes}
			if p.MaxUnhealthy == (intstr.IntOrString{}) {
				p.MaxUnhealthy = intstr.FromString("20%")
			}
			if test.pool != nil {
				test.pool(&p)
			}
			if diff := cmp.Diff(test.want, describe(Decide(p))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// starting returns nodes that count from then on and are due ten minutes later.
func starting(nodes int, then time.Duration) []Node {
	out := fleet("a", "", nodes, 0)
	for i := range out {
		out[i].UnhealthyFrom, out[i].Due = noon.Add(then), noon.Add(then+10*time.Minute)
	}
	return out
}

// Whatever the nodes are, no more of a pool or a zone are replaced at once than may be unhealthy,
// and the order of the nodes does not matter.
func TestNeverMoreThanMaxUnhealthyAreReplaced(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var nodes []Node
		for i := range random.IntN(30) {
			n := Node{Name: fmt.Sprintf("n%d", i), Zone: []string{"", "a", "b", "c"}[random.IntN(4)]}
			if random.IntN(3) == 0 {
				n.UnhealthyFrom = noon.Add(time.Duration(random.IntN(600)-500) * time.Second)
				n.Due = n.UnhealthyFrom.Add(time.Duration(random.IntN(600)) * time.Second)
			}
			nodes = append(nodes, n)
		}
		p := Pool{Now: noon, MaxUnhealthy: intstr.FromString(fmt.Sprintf("%d%%", 1+random.IntN(60))), Nodes: nodes}
		plan := Decide(p)
		zones, inZone := map[string]int{}, map[string]int{}
		for _, n := range nodes {
			inZone[n.Zone]++
			if slices.Contains(plan.Replace, n.Name) {
				zones[n.Zone]++
				if n.Due.After(noon) || n.Due.IsZero() {
					t.Fatalf("%+v is replaced before its time", n)
				}
			}
		}
		share := func(of int) int { return disruptionbudget.Resolve(p.MaxUnhealthy, of) }
		if len(plan.Replace) > share(len(nodes)) {
			t.Fatalf("%d of %d are replaced with %s", len(plan.Replace), len(nodes), p.MaxUnhealthy.String())
		}
		for zone, replaced := range zones {
			if zone != "" && inZone[zone] >= smallestZone && replaced > share(inZone[zone]) {
				t.Fatalf("%d of %d nodes in zone %s are replaced with %s", replaced, inZone[zone], zone, p.MaxUnhealthy.String())
			}
		}
		random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
		if diff := cmp.Diff(plan, Decide(p)); diff != "" {
			t.Fatalf("another order of the nodes:\n%s", diff)
		}
	}
}

// A rack comes back one node after the other: the breaker closes when few enough are left.
func TestBreakerClosesAsNodesRecover(t *testing.T) {
	nodes := fleet("a", "", 10, 5)
	for left := 5; left > 2; left-- {
		if plan := Decide(Pool{Now: noon, MaxUnhealthy: intstr.FromString("20%"), Nodes: nodes}); len(plan.Replace) > 0 || plan.HeldBack != left {
			t.Fatalf("with %d unhealthy nodes: %s", left, describe(plan))
		}
		nodes[left-1] = Node{Name: nodes[left-1].Name}
	}
	if got := describe(Decide(Pool{Now: noon, MaxUnhealthy: intstr.FromString("20%"), Nodes: nodes})); got != "replace a0 a1" {
		t.Error(got)
	}
}
