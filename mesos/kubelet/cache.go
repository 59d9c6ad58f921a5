package kubelet

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// In the cache's folder, <digest> is an artifact, <digest>.part one that is on its way,
// and <digest>.lock is held by who fetches it. Who uses an artifact holds a shared lock
// on the file itself; the kernel lets go of it when the process dies.
const (
	partSuffix = ".part"
	lockSuffix = ".lock"
)

// use opens an artifact that is there, so that nobody removes it; nil if it is not.
func (c *Cache) use(path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || shareLock(f) != nil || !sameFile(f, path) {
		f.Close()
		return nil
	}
	now := c.Now()
	_ = os.Chtimes(path, now, now) // the last use
	return f
}

// trim removes what nobody uses, that which was not used for the longest time first,
// until the cache holds no more than limit bytes. It returns how many it removed.
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

// removeUnused says whether it removed the artifact or part.
func removeUnused(path string) bool {
	if digest, isPart := strings.CutSuffix(path, partSuffix); isPart {
		lock, err := tryLock(digest + lockSuffix)
		if err != nil {
			return false
		}
		defer lock.release()
		return os.Remove(path) == nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return soleLock(f) == nil && sameFile(f, path) && os.Remove(path) == nil
}

// isDigest reports whether a file's name is that of an artifact in the cache.
func isDigest(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == 2*sha256.Size && strings.ToLower(name) == name
}
