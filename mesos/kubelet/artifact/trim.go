package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
)

// In the cache's folder, <digest> is an artifact, <digest>.part a part of one, and
// <digest>.lock is held by the process that fetches it. A process that uses an artifact
// holds a shared lock on the file itself, which the kernel releases when the process dies. No
// other user can enter the folder, since whoever can open a file can lock it.
const (
	partSuffix = ".part"
	lockSuffix = ".lock"
)

// use opens an artifact so that it is not removed. It returns nil if the artifact is not
// there, or if somebody holds it alone: that is a process which removes it, or another user who
// opened it while the folder was open to all. It is fetched anew then.
func (c *Cache) use(path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || filelock.Share(f) != nil || !filelock.IsAt(f, path) {
		f.Close()
		return nil
	}
	now := c.Now()
	_ = os.Chtimes(path, now, now) // the time of the last use
	return f
}

// trim removes unused artifacts, the one that was not used for the longest time
// first, until the cache holds no more than limit bytes. It returns the number of files that
// it removed.
func (c *Cache) trim(limit int64) int {
	entries, _ := os.ReadDir(c.Dir)
	type item struct {
		path string
		size int64
		used time.Time
	}
	var items []item
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !isDigest(strings.TrimSuffix(e.Name(), partSuffix)) {
			continue
		}
		items = append(items, item{filepath.Join(c.Dir, e.Name()), info.Size(), info.ModTime()})
		total += info.Size()
	}
	slices.SortStableFunc(items, func(a, b item) int { return a.used.Compare(b.used) })
	removed := 0
	for _, i := range items {
		if total <= limit {
			break
		}
		if removeUnused(i.path) {
			total -= i.size
			removed++
		}
	}
	return removed
}

// removeUnused removes an artifact or part unless it is in use. It reports whether it did.
func removeUnused(path string) bool {
	if digest, isPart := strings.CutSuffix(path, partSuffix); isPart {
		lock, err := filelock.Try(digest + lockSuffix)
		if err != nil {
			return false
		}
		defer lock.Remove()
		return os.Remove(path) == nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return filelock.TryExclusive(f) == nil && filelock.IsAt(f, path) && os.Remove(path) == nil
}

// isDigest reports whether a file's name is that of an artifact in the cache.
func isDigest(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == 2*sha256.Size && strings.ToLower(name) == name
}
