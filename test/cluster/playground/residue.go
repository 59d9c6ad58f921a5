package playground

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// sharedState is what nodes leave on purpose, for the next one on the same agent.
var sharedState = []string{"cache"}

// Residue is what executors have left on the agents. While none runs, there should
// be nothing: containers take away what they made, before they end.
func (p *Playground) Residue() []string {
	var residue []string
	for pid := range p.cgroups.pids() {
		residue = append(residue, fmt.Sprintf("process %d", pid))
	}
	for _, folder := range p.cgroups.folders() {
		for _, sub := range subfolders(folder) {
			// <run>/<host> belong to the agents, what is below them to containers.
			if relative, _ := filepath.Rel(folder, sub); filepath.Dir(relative) != "." {
				residue = append(residue, "cgroup "+sub)
			}
		}
	}
	for _, path := range mountsBelow(p.dir.path) {
		residue = append(residue, "mount "+path)
	}
	entries, _ := os.ReadDir(p.StateDir())
	for _, entry := range entries {
		if !slices.Contains(sharedState, entry.Name()) {
			residue = append(residue, "folder "+filepath.Join(p.StateDir(), entry.Name()))
		}
	}
	slices.Sort(residue)
	return append(residue, p.hostPaths.left()...)
}
