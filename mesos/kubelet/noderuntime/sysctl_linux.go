package noderuntime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// sysctls are the settings of the machine that a kubelet sets as it likes them, unless it is
// told to refuse to start instead. They are the agent's, and all its tenants'.
var sysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// procSys is where settings of the machine are.
const procSys = "/proc/sys"

// copySysctls copies the settings below root into the folder, and returns the copies to be put
// in their place: the kubelet changes those. A setting that the kernel does not have is left
// out.
func copySysctls(root, dir string) ([]mount.Bind, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("copying settings of the machine: %w", err)
	}
	var copies []mount.Bind
	for _, name := range sysctls {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "."))
		if err == nil {
			err = os.WriteFile(file, data, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("copying settings of the machine: %w", err)
		}
		copies = append(copies, mount.Bind{Source: file, Target: filepath.Join(root, name)})
	}
	return copies, nil
}
