package config

import "strings"

// Environment returns the environment of the programs, as KEY=value: what they need, and
// nothing of what the agent tells the executor alone. Executables are looked for in bin
// first. An empty tmp is the system's.
func Environment(inherited []string, bin, tmp string) []string {
	env := []string{"HOME=/root", "LANG=C"}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, entry := range inherited {
		key, value, _ := strings.Cut(entry, "=")
		switch strings.ToLower(key) {
		case "path":
			path = value
		case "http_proxy", "https_proxy", "no_proxy":
			env = append(env, entry)
		}
	}
	if tmp != "" {
		env = append(env, "TMPDIR="+tmp)
	}
	return append(env, "PATH="+bin+":"+path)
}
