package drain

import (
	"slices"
	"strings"

	"github.com/k8sm/k8sm/controllers/messages"
)

// Hooks returns the annotations that begin with the prefix, in order. A value follows its key.
func Hooks(annotations map[string]string, prefix string) (hooks []string) {
	for key, owner := range annotations {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		if owner != "" && owner != "true" {
			key += " (" + messages.Truncate(owner, maxOwner) + ")"
		}
		hooks = append(hooks, key)
	}
	slices.Sort(hooks)
	return hooks
}

// maxOwner is the greatest length of an owner in a message.
const maxOwner = 64

// DescribeHooks returns what a removal waits for, and what ends that.
func DescribeHooks(hooks []string) string {
	return "waits until the MesosNode has no annotation " + messages.List(hooks, ", ", maxNamed)
}
