package preflight

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A setting of the machine, below /proc/sys, and a value of it with which a node can't run.
type setting struct {
	file, value string
	why         string
}

// dangerous settings are refused for every node.
var dangerous = []setting{{"vm/panic_on_oom", "2",
	"the machine would stop when a pod exceeds its own memory limit: set it to 0"}}

// changed settings are refused for a node whose kubelet can't be kept from changing them.
var changed = []setting{{"vm/overcommit_memory", "2",
	"somebody has limited the memory that processes may ask for, and the kubelet would lift that limit for the whole machine: " +
		"set it to 0 or 1, or let the node have a containerd of its own (no runtimeSocket), whose kubelet leaves the setting alone"}}

// CheckSysctls fails if a setting of the machine would make a node dangerous for others, or a
// node for them. Root is /proc/sys. A kubelet that is kept from changing settings is masked.
func CheckSysctls(root string, masked bool) error {
	refused := dangerous
	if !masked {
		refused = append(refused[:len(refused):len(refused)], changed...)
	}
	for _, s := range refused {
		data, err := os.ReadFile(filepath.Join(root, s.file))
		if err == nil && strings.TrimSpace(string(data)) == s.value {
			return fmt.Errorf("the agent's %s is %s: %s", strings.ReplaceAll(s.file, "/", "."), s.value, s.why)
		}
	}
	return nil
}
