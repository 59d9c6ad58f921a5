package preflight

import (
	"fmt"
	"path/filepath"
	"strings"
)

// CheckPlace fails if the state folder is in one of the system's folders that each node
// replaces by one of its own: a node would hide its own files.
func CheckPlace(stateDir string, replaced ...string) error {
	for _, folder := range replaced {
		if strings.HasPrefix(filepath.Clean(stateDir)+"/", folder+"/") {
			return fmt.Errorf("the state folder %s is in %s, which each node replaces by a folder of its own: choose another state folder", stateDir, folder)
		}
	}
	return nil
}
