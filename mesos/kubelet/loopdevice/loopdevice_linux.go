package loopdevice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// sysBlock has a folder for each block device.
const sysBlock = "/sys/block"

// Of returns the devices that are made of files at or below a folder, by the paths that the
// kernel shows and this process sees. Several nodes of an agent have the same paths, each in a
// mount namespace of its own: the file has to be the one that is seen from here.
func Of(folder string) ([]Device, error) {
	attached, err := attached(sysBlock)
	if err != nil {
		return nil, err
	}
	var found []Device
	for name, path := range attached {
		if !strings.HasPrefix(path, folder+"/") {
			continue
		}
		var file unix.Stat_t
		d, err := status(name)
		if err == nil && unix.Stat(path, &file) == nil && d.FileSystem == file.Dev && d.Inode == file.Ino {
			found = append(found, d)
		}
	}
	return found, nil
}

// attached returns the names of all devices that are in use, with the paths of their files.
func attached(sysBlock string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(sysBlock, "loop*", "loop", "backing_file"))
	if err != nil {
		return nil, fmt.Errorf("listing loop devices: %w", err)
	}
	found := map[string]string{}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil { // it may just have been detached
			found[filepath.Base(filepath.Dir(filepath.Dir(file)))] = strings.TrimSuffix(string(data), "\n")
		}
	}
	return found, nil
}

// status asks a device for its file.
func status(name string) (Device, error) {
	d := Device{Name: name}
	err := d.with(func(fd int) error {
		info, err := unix.IoctlLoopGetStatus64(fd)
		if err == nil {
			d.FileSystem, d.Inode = info.Device, info.Inode
		}
		return err
	})
	return d, err
}

// with opens the device.
func (d Device) with(do func(fd int) error) error {
	fd, err := unix.Open("/dev/"+d.Name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return do(fd)
}

// Detach gives the device up, unless it is made of another file by now, or of none. One that is
// still open somewhere is given up by the kernel when it is closed.
func Detach(d Device) error {
	if filepath.Base(d.Name) != d.Name || !strings.HasPrefix(d.Name, "loop") {
		return fmt.Errorf("detaching loop device: %q is the name of none", d.Name)
	}
	err := d.with(func(fd int) error {
		info, err := unix.IoctlLoopGetStatus64(fd)
		if err != nil {
			return err
		}
		if info.Device != d.FileSystem || info.Inode != d.Inode {
			return nil
		}
		return unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0)
	})
	if err == nil || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENOENT) {
		return nil // nothing is attached, or there is no such device
	}
	return fmt.Errorf("detaching loop device %s: %w", d.Name, err)
}

// maxEntries bounds a search for the files of devices.
const maxEntries = 1 << 18

// Inside returns the devices that are made of files in a folder, whatever their paths are:
// a driver in a pod has paths of its own. If no device is made of a file on that file system,
// which is so on most agents, the folder is not searched. A folder with more than a quarter of a
// million entries is searched in part.
func Inside(ctx context.Context, folder string) ([]Device, error) {
	var root unix.Stat_t
	if err := unix.Stat(folder, &root); err != nil {
		return nil, nil // nothing is there
	}
	attached, err := attached(sysBlock)
	if err != nil {
		return nil, err
	}
	candidates := map[uint64]Device{}
	for name := range attached {
		if d, err := status(name); err == nil && d.FileSystem == root.Dev {
			candidates[d.Inode] = d
		}
	}
	var found []Device
	folders := []string{folder}
	for entries := 0; len(candidates) > 0 && len(folders) > 0 && entries < maxEntries && ctx.Err() == nil; {
		last := len(folders) - 1
		dir := folders[last]
		folders = folders[:last]
		for _, name := range namesIn(dir, maxEntries-entries) {
			entries++
			var file unix.Stat_t
			path := filepath.Join(dir, name)
			if unix.Lstat(path, &file) != nil || file.Dev != root.Dev {
				continue
			}
			if d, is := candidates[file.Ino]; is {
				found = append(found, d)
				delete(candidates, file.Ino)
			}
			if file.Mode&unix.S_IFMT == unix.S_IFDIR {
				folders = append(folders, path)
			}
		}
	}
	return found, nil
}

// namesIn returns up to limit names of a folder. Those of one that can't be read are none.
func namesIn(dir string, limit int) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, err := f.Readdirnames(limit)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return names
}
