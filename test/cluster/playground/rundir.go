package playground

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// runDir holds all files of one run. Its path is short, because the paths of unix
// sockets below it are limited to 107 bytes.
type runDir struct {
	path string
	// lock is held until the run ends. Another run that gets it knows that this one was
	// killed.
	lock *os.File
}

// record has the data with which a later run can remove what this one has left.
type record struct {
	ID        string    `json:"id"`
	HostPaths hostPaths `json:"hostPaths"`
}

const (
	runDirPrefix = "k8sm-"
	recordFile   = "run.json"
	lockFile     = "lock"
)

// newRunDir makes a folder whose name ends with the run's ID: four letters.
func newRunDir() (*runDir, string, error) {
	for range 100 {
		id := strings.ToLower(rand.Text()[:4])
		path := filepath.Join(os.TempDir(), runDirPrefix+id)
		if err := os.Mkdir(path, 0o755); errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return nil, "", fmt.Errorf("making run directory: %w", err)
		}
		lock, err := takeLock(path)
		if err != nil {
			return nil, "", err
		}
		dir := &runDir{path: path, lock: lock}
		for _, sub := range []string{"pki", "logs", "tmp", "state", "agents"} {
			if err := os.Mkdir(dir.file(sub), 0o755); err != nil {
				return nil, "", fmt.Errorf("making run directory: %w", err)
			}
		}
		return dir, id, nil
	}
	return nil, "", fmt.Errorf("making run directory: no free name below %s", os.TempDir())
}

func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock of run directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("locking run directory %s: %w", path, err)
	}
	return file, nil
}

func (d *runDir) file(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

func (d *runDir) write(name string, data []byte, mode os.FileMode) (string, error) {
	path := d.file(name)
	if err := os.WriteFile(path, data, mode); err != nil {
		return "", fmt.Errorf("writing into run directory: %w", err)
	}
	return path, nil
}

func (d *runDir) writeRecord(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding record of run: %w", err)
	}
	_, err = d.write(recordFile, data, 0o644)
	return err
}

// remove deletes everything, or everything but the logs. It never crosses into
// another file system: a remaining mount is an error, and its content is kept.
func (d *runDir) remove(keepLogs bool) error {
	_ = d.lock.Close()
	if mounts := mountsBelow(d.path); len(mounts) > 0 {
		return fmt.Errorf("removing run directory: still mounted below it: %s", strings.Join(mounts, ", "))
	}
	if !keepLogs {
		return os.RemoveAll(d.path)
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("removing run directory: %w", err)
	}
	var problems []error
	for _, entry := range entries {
		if entry.Name() != "logs" {
			problems = append(problems, os.RemoveAll(d.file(entry.Name())))
		}
	}
	return errors.Join(problems...)
}
