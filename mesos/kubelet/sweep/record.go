// Package sweep removes what a node has made: its processes, mounts, networks, cgroups and
// files. A node records what it makes outside of its folder before it makes it, so that
// whoever comes next can remove what a dead node left.
//
// It refuses to know how nodes are made. Package kubelet writes the record, sweeps the state
// folder before it makes a node, and removes its own node by the record at the end.
package sweep

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/loopdevice"
)

// Record is what a node makes outside of its folder. It is written before anything else is
// made. Its format is part of the contract with other releases, which sweep by it.
type Record struct {
	NodeName    string `json:"nodeName"`
	ContainerID string `json:"containerID,omitempty"`
	// Network is the name of the bridge and the CNI network, if the node made them.
	Network string `json:"network,omitempty"`
	// Cgroups are the folders of the container's cgroup, and Made the folders among them
	// that Mesos does not know and hence does not remove.
	Cgroups []string `json:"cgroups,omitempty"`
	Made    []string `json:"made,omitempty"`
	// Runtime is the socket of the agent's own runtime, if that was used. Then the
	// kubelet's folder was the agent's, too: Kept is what was in it before, and Mounted
	// marks it as a mount point.
	Runtime string   `json:"runtime,omitempty"`
	Kept    []string `json:"kept,omitempty"`
	Mounted bool     `json:"mounted,omitempty"`
	// Loops are the loop devices of block volumes.
	Loops []loopdevice.Device `json:"loops,omitempty"`
	// PodLogs is the folder of the agent that the pods' logs are in, and KeptLogs what was in
	// it before. An earlier release does not know them, and leaves the logs.
	PodLogs  string   `json:"podLogs,omitempty"`
	KeptLogs []string `json:"keptLogs,omitempty"`
}

// Write writes the record into the node's folder.
func (r *Record) Write(dir string) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing node record: %w", err)
	}
	// A record that is written again must not be lost if the executor is killed meanwhile.
	file := filepath.Join(dir, layout.RecordFile)
	if err := errors.Join(os.WriteFile(file+".new", data, 0o600), os.Rename(file+".new", file)); err != nil {
		return fmt.Errorf("writing node record: %w", err)
	}
	return nil
}

// read returns nil where the folder is not a node's.
func read(dir string) (*Record, error) {
	data, err := os.ReadFile(filepath.Join(dir, layout.RecordFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading node record: %w", err)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		// Cut off while it was written: nothing else was made yet.
		return &Record{NodeName: filepath.Base(dir)}, nil
	}
	return &r, r.check()
}

// otherNodes reports whether the state folder has nodes beside this one, dead or alive.
func otherNodes(dir string) (bool, error) {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return false, fmt.Errorf("looking for other nodes: %w", err)
	}
	for _, e := range entries {
		if e.Name() == filepath.Base(dir) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), e.Name(), layout.RecordFile)); err == nil {
			return true, nil
		}
	}
	return false, nil
}

// check refuses a record by which a sweep would kill or remove what is not the node's: all
// its cgroups must be the container's own, and its logs where logs are.
func (r *Record) check() error {
	for _, dir := range append(append([]string{}, r.Cgroups...), r.Made...) {
		if r.ContainerID == "" || filepath.Base(dir) != r.ContainerID || filepath.Clean(dir) != dir || !filepath.IsAbs(dir) {
			return fmt.Errorf("reading node record: cgroup %q is not that of container %q", dir, r.ContainerID)
		}
	}
	if r.PodLogs != "" && r.PodLogs != layout.PodLogs {
		return fmt.Errorf("reading node record: %q is not where logs of pods are", r.PodLogs)
	}
	return nil
}
