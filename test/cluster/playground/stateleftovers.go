package playground

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// sharedState names what nodes leave on purpose for the next one on the same agent.
var sharedState = []string{"cache"}

// Leftovers lists what executors have left on the agents. When none runs, the list should be
// empty: an executor removes what it made before it ends.
func (p *Playground) Leftovers() []string {
	var found []string
	for pid := range p.cgroups.pids() {
		found = append(found, fmt.Sprintf("process %d", pid))
	}
	for _, folder := range p.cgroups.folders() {
		for _, sub := range subfolders(folder) {
			// <run>/<host> belong to the agents, what is below them to containers.
			if relative, _ := filepath.Rel(folder, sub); filepath.Dir(relative) != "." {
				found = append(found, "cgroup "+sub)
			}
		}
	}
	for _, path := range mountsBelow(p.dir.path) {
		found = append(found, "mount "+path)
	}
	entries, _ := os.ReadDir(p.StateDir())
	for _, entry := range entries {
		if !slices.Contains(sharedState, entry.Name()) {
			found = append(found, "folder "+filepath.Join(p.StateDir(), entry.Name()))
		}
	}
	slices.Sort(found)
	return append(found, p.hostPaths.present()...)
}
