package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// recordFile marks a folder as a node's, and says what the node has outside of it. A
// folder without one is nobody's business here.
const recordFile = "k8sm-node.json"

// lockFile is held by a node's executor for as long as it lives.
const lockFile = "lock"

// record is written before anything else is made, for whoever has to sweep.
type record struct {
	NodeName    string `json:"nodeName"`
	ContainerID string `json:"containerID,omitempty"`
	// Network is the name of the bridge and the CNI network, if the node made them.
	Network string `json:"network,omitempty"`
	// Cgroups are the folders of the container's cgroup, Made those of them that
	// Mesos does not know and hence does not remove.
	Cgroups []string `json:"cgroups,omitempty"`
	Made    []string `json:"made,omitempty"`
	// Runtime is the socket of the agent's own runtime, if that was used. Then the
	// kubelet's folder was the agent's, too: Kept is what was in it before, and Mounted
	// says that it was a mount point.
	Runtime string   `json:"runtime,omitempty"`
	Kept    []string `json:"kept,omitempty"`
	Mounted bool     `json:"mounted,omitempty"`
}

func (r *record) write(file string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing node record: %w", err)
	}
	return writeFile(file, data)
}

// readRecord returns nil where the folder is not a node's.
func readRecord(dir string) (*record, error) {
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading node record: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		// Cut off while it was written: nothing else was made yet.
		return &record{NodeName: filepath.Base(dir)}, nil
	}
	return &r, r.check()
}

// check refuses a record that could lead a sweep astray: all its cgroups must be the
// container's own.
func (r *record) check() error {
	for _, dir := range append(append([]string{}, r.Cgroups...), r.Made...) {
		if r.ContainerID == "" || filepath.Base(dir) != r.ContainerID || filepath.Clean(dir) != dir || !filepath.IsAbs(dir) {
			return fmt.Errorf("reading node record: cgroup %q is not that of container %q", dir, r.ContainerID)
		}
	}
	return nil
}
