package config

import (
	"strings"

	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// Environment returns the environment of the programs, as KEY=value: what they need, and
// nothing of what the agent tells the executor alone. Executables are looked for in bin
// first, and in the system's folders last. The home is a folder of the node's own: in that of
// the agent's user may be credentials of image registries, with which every pod could pull. An
// empty tmp is the system's.
func Environment(inherited []string, bin, home, tmp string) []string {
	env := []string{"HOME=" + home, "LANG=C"}
	path := ""
	for _, entry := range inherited {
		key, value, _ := strings.Cut(entry, "=")
		if key == "PATH" {
			path = value
		}
		switch strings.ToLower(key) {
		case "http_proxy", "https_proxy", "no_proxy":
			env = append(env, entry)
		}
	}
	if tmp != "" {
		env = append(env, "TMPDIR="+tmp)
	}
	return append(env, "PATH="+bin+":"+tool.Path(path))
}
