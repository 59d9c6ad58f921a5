package kubelet

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

// Installed is what Install has put in place.
type Installed struct {
	// Images are the files to import, in the order of the artifacts.
	Images []string

	used map[string]*os.File // by the artifact's name
}

// Release lets the cache forget the artifacts.
func (i Installed) Release() {
	for _, f := range i.used {
		_ = f.Close()
	}
}

// replace has the cache keep this file for the artifact, and not the one before.
func (i Installed) replace(name string, file *os.File) {
	if before := i.used[name]; before != nil {
		_ = before.Close()
	}
	i.used[name] = file
}

// Install fetches the artifacts and makes their executables found in bin by their
// names. It fetches nothing that the Mesos fetcher has fetched. What is installed is to
// be released, also after an error.
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

// Require names all executables that are missing, in one error.
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

// unpack puts the files of a .tar.gz into dir under their base names. Entries and
// links that lead out of the archive are refused, all of it then; so is one that
// unpacks to more than limit bytes.
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
			return invalidUnlessOurs(err)
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
	return nil // folders are not needed, devices not wanted
}

func escapes(name string) bool {
	return path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../")
}

// invalidUnlessOurs says that it is the archive's fault, if it isn't that of the disk.
func invalidUnlessOurs(err error) error {
	if _, ours := errors.AsType[*fs.PathError](err); ours || errors.Is(err, nodeapi.ErrInvalid) {
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
