package artifact

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Installed holds the artifacts that Install has put in place.
type Installed struct {
	// Images are the files to import, in the order of the artifacts.
	Images []string

	used map[string]*os.File // by the artifact's name
}

// Release allows the cache to remove the artifacts.
func (i Installed) Release() {
	for _, f := range i.used {
		_ = f.Close()
	}
}

// Replace keeps this file in the cache for the artifact, instead of the one before.
func (i Installed) Replace(name string, file *os.File) {
	if before := i.used[name]; before != nil {
		_ = before.Close()
	}
	i.used[name] = file
}

// Install fetches the artifacts and puts their executables into the folder bin, under their
// names. It leaves out the executor, which the Mesos fetcher has fetched. The result has to be
// released, also after an error.
func Install(ctx context.Context, cache *Cache, artifacts []nodeapi.Artifact, bin string) (Installed, error) {
	done := Installed{used: map[string]*os.File{}}
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return done, fmt.Errorf("making folder of executables: %w", err)
	}
	for _, a := range artifacts {
		if a.Name == nodeapi.ArtifactExecutor {
			continue
		}
		file, err := cache.Fetch(ctx, a)
		if err != nil {
			return done, err
		}
		done.used[a.Name] = file
		path := filepath.Join(cache.Dir, a.SHA256)
		switch a.Type {
		case nodeapi.ArtifactTypeImage:
			done.Images = append(done.Images, path)
		case nodeapi.ArtifactTypeArchive:
			err = unpack(file, bin, cache.Limit)
		default:
			err = os.Symlink(path, filepath.Join(bin, a.Name))
		}
		if err != nil {
			return done, fmt.Errorf("installing artifact %q: %w", a.Name, err)
		}
	}
	return done, nil
}

// Require returns one error that names all executables that are missing in bin.
func Require(bin string, names ...string) error {
	var missing []string
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(bin, name)); err != nil || !info.Mode().IsRegular() {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w runtime: none of the artifacts brings %s", nodeapi.ErrInvalid, strings.Join(missing, ", "))
	}
	return nil
}

// unpack puts the files of a .tar.gz into dir under their base names. An archive is refused
// as a whole if an entry or a link leads out of it, or if it unpacks to more than limit
// bytes.
func unpack(file io.Reader, dir string, limit int64) error {
	zipped, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("%w archive, not a .tar.gz: %w", nodeapi.ErrInvalid, err)
	}
	bounded := &io.LimitedReader{R: zipped, N: limit}
	links := map[string]string{} // base name → base name
	for entries := tar.NewReader(bounded); ; {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) && bounded.N > 0 {
			break
		}
		if err == nil {
			err = unpackEntry(entries, entry, dir, links)
		}
		switch {
		case err != nil && bounded.N <= 0:
			return fmt.Errorf("%w archive: it unpacks to more than %d MiB", nodeapi.ErrInvalid, limit/mebibyte)
		case err != nil:
			return invalidUnlessDisk(err)
		}
	}
	for name, target := range links {
		if name == target {
			continue
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("unpacking link: %w", err)
		}
	}
	return nil
}

func unpackEntry(content io.Reader, entry *tar.Header, dir string, links map[string]string) error {
	name := path.Clean(entry.Name)
	if escapes(name) {
		return fmt.Errorf("%w archive: entry %q leads out of it", nodeapi.ErrInvalid, entry.Name)
	}
	base := path.Base(name)
	switch entry.Typeflag {
	case tar.TypeReg:
		return writeNew(filepath.Join(dir, base), content, 0o755)
	case tar.TypeSymlink, tar.TypeLink:
		target := entry.Linkname
		if entry.Typeflag == tar.TypeSymlink && !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		if escapes(path.Clean(target)) {
			return fmt.Errorf("%w archive: link %q leads out of it, to %q", nodeapi.ErrInvalid, entry.Name, entry.Linkname)
		}
		links[base] = path.Base(target)
	}
	return nil // folders are not needed, and devices not wanted
}

func escapes(name string) bool {
	return path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../")
}

// invalidUnlessDisk marks an error as the archive's fault, unless it is the disk's.
func invalidUnlessDisk(err error) error {
	if _, disk := errors.AsType[*fs.PathError](err); disk || errors.Is(err, nodeapi.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%w archive: %w", nodeapi.ErrInvalid, err)
}

// writeNew refuses to write over, or through, what is there.
func writeNew(file string, content io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("unpacking file: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		return fmt.Errorf("unpacking file: %w", err)
	}
	return f.Close()
}
