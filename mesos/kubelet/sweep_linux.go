package kubelet

import (
	"errors"
	"os"
	"path/filepath"
)

// remove removes all that the record names, then the node's folder. The order matters:
// what runs may hold mounts and cgroups; what is mounted must be unmounted before
// anything is deleted; and as long as something is left, the record stays for the next
// sweep.
func (r *record) remove(dir string) error {
	problems := []error{killAll(r.Cgroups, family())}
	if r.Network != "" {
		problems = append(problems, removeBridge(r.Network), removeTranslations(r.Network), removeNFTRules(r.Network))
	}
	if r.Runtime != "" {
		problems = append(problems, r.giveBack(dir))
	}
	problems = append(problems, removeCgroups(r.Cgroups, r.Made), unmountBelow(dir))
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		problems = append(problems, err)
	}
	for _, e := range entries {
		if e.Name() != recordFile && e.Name() != lockFile {
			problems = append(problems, removeTree(filepath.Join(dir, e.Name())))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return removeTree(dir)
}
