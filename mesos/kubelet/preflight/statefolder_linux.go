package preflight

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// CheckStateFolder fails where the file systems of containers can't be kept in the state
// folder: they are laid upon each other by overlay, which not all file systems allow. This is
// tried in the node's folder there, in a folder that is removed again, and in this process's
// mount namespace.
func CheckStateFolder(dir, node string) error {
	err := tryOverlay(node)
	refused, ok := errors.AsType[overlayError](err)
	switch {
	case !ok:
		return err
	case errors.Is(refused, unix.ENODEV):
		return fmt.Errorf("the agent's kernel has no file system overlay, upon which the file systems of containers are laid: load its module overlay (%w)", refused)
	}
	kind, err := mount.FileSystemOf(node)
	if err != nil {
		return err
	}
	return fmt.Errorf("the state folder %s is on a file system of type %s, in which the file systems of containers can't be kept (%w): "+
		"choose a folder on ext4 or xfs (with ftype=1) as the state folder, or mount one there", dir, kind, refused)
}

// overlayError is what overlay answers.
type overlayError struct{ error }

func (e overlayError) Unwrap() error { return e.error }

// tryOverlay mounts a file system as containerd does, and checks that files can be written,
// renamed and removed in it.
func tryOverlay(dir string) error {
	base, err := os.MkdirTemp(dir, ".preflight-")
	if err != nil {
		return fmt.Errorf("trying the state folder: %w", err)
	}
	defer os.RemoveAll(base)
	at := func(name string) string { return filepath.Join(base, name) }
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			return fmt.Errorf("trying the state folder: %w", err)
		}
	}
	if err := os.WriteFile(at("lower/file"), []byte("x"), 0o600); err != nil {
		return fmt.Errorf("trying the state folder: %w", err)
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", escaped(at("lower")), escaped(at("upper")), escaped(at("work")))
	if err := unix.Mount("overlay", at("merged"), "overlay", 0, options); err != nil {
		return overlayError{fmt.Errorf("mounting overlay: %w", err)}
	}
	defer func() { _ = unix.Unmount(at("merged"), unix.MNT_DETACH) }()
	// A file system that lacks what overlay needs is mounted for reading only, or fails here.
	err = os.Rename(at("merged/file"), at("merged/renamed"))
	if err == nil {
		err = os.Remove(at("merged/renamed"))
	}
	if err != nil {
		return overlayError{fmt.Errorf("changing files in overlay: %w", err)}
	}
	return nil
}

// escaped writes a path as an option of overlay.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(path)
}
