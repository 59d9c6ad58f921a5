package mesosnodepool

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// justCreated stands in a summary for the reason of a node whose condition Ready was never set.
const justCreated = "Created"

// summarizeReasons counts nodes by the reason why they are not ready, and quotes one of them:
// "2 WaitingForOffer, 1 TaskStaging. general-a: …".
func summarizeReasons(nodes []*v1alpha1.MesosNode) string {
	if len(nodes) == 0 {
		return "they are being created."
	}
	counts := map[string]int{}
	for _, node := range nodes {
		counts[unreadyCondition(node).Reason]++
	}
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, reason := range reasons {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, ", ") + "." + quoteFirst(nodes, reasons)
}

// quoteFirst quotes the first node, by reason and then by name, whose condition has a message.
func quoteFirst(nodes []*v1alpha1.MesosNode, reasons []string) string {
	nodes = slices.SortedFunc(slices.Values(nodes), byName)
	for _, reason := range reasons {
		for _, node := range nodes {
			if c := unreadyCondition(node); c.Reason == reason && c.Message != "" {
				return " " + node.Name + ": " + c.Message
			}
		}
	}
	return ""
}

// unreadyCondition is the cause why a node is not ready. A node that was deleted a moment ago may
// still report that it is.
func unreadyCondition(node *v1alpha1.MesosNode) metav1.Condition {
	c := nodemodel.Condition(node, v1alpha1.ConditionReady)
	switch {
	case c.Status == metav1.ConditionTrue:
		return metav1.Condition{Reason: v1alpha1.ReasonDraining}
	case c.Reason == "":
		c.Reason = justCreated
	}
	return c
}

func byName(a, b *v1alpha1.MesosNode) int { return cmp.Compare(a.Name, b.Name) }
