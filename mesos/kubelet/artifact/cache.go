// Package artifact fetches what a node is made of, checks it, keeps it in a cache that the
// nodes of an agent share, and puts executables where they are found.
//
// It refuses to know what the artifacts are for, beyond their types. Package kubelet
// installs a node's artifacts by it, and fetches the kubelet of an upgrade.
package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Cache keeps verified artifacts by digest. Nodes on one agent share it, each with a
// process of its own.
type Cache struct {
	// Dir is the cache's folder. It is made when it is needed.
	Dir string
	// Client fetches http and https.
	Client *http.Client
	// Attempts is the number of attempts in a row without progress after which a fetch is
	// given up, and Pause the time between them.
	Attempts int
	Pause    time.Duration
	// Stall is the time without data after which a transfer counts as interrupted.
	Stall time.Duration
	// Limit, in bytes, bounds the cache, each artifact, and what an archive unpacks to.
	// Artifacts in use stay, even if they are more than that.
	Limit int64
	// Now dates the last use of an artifact.
	Now func() time.Time
	// Progress is called with the number of bytes of an artifact that are there; total is
	// negative while it is not known. May be nil.
	Progress func(a nodeapi.Artifact, have, total int64)
}

// defaultCacheMiB is the limit of the cache where the launch message sets none.
const defaultCacheMiB = 10240

const mebibyte = 1 << 20

// NewCache returns the cache of the agent's nodes that have this state folder. A limit of 0
// is the default.
func NewCache(stateDir string, limitMiB int64, now func() time.Time) *Cache {
	if limitMiB == 0 {
		limitMiB = defaultCacheMiB
	}
	return &Cache{
		Dir: filepath.Join(stateDir, nodeapi.CacheDirName, "sha256"),
		Client: &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ResponseHeaderTimeout: 30 * time.Second,
			DisableCompression:    true,
		}},
		Attempts: 3,
		Pause:    time.Second,
		Stall:    30 * time.Second,
		Limit:    limitMiB * mebibyte,
		Now:      now,
	}
}

// Fetch returns the artifact's file, which has its digest and is executable. As long as
// the file is open, in whichever process, it stays in the cache. It is fetched unless
// it is there already; two nodes that want the same wait for one another; an unfinished
// earlier fetch is resumed. Errors that wrap nodeapi.ErrInvalid would come again anywhere.
func (c *Cache) Fetch(ctx context.Context, a nodeapi.Artifact) (*os.File, error) {
	if err := filelock.MakeDir(c.Dir); err != nil {
		return nil, fmt.Errorf("making artifact cache: %w", err)
	}
	path := filepath.Join(c.Dir, a.SHA256)
	if f := c.use(path); f != nil {
		return f, nil
	}
	lock, err := filelock.Acquire(ctx, path+lockSuffix)
	if err != nil {
		return nil, fmt.Errorf("waiting for another node that fetches artifact %q: %w", a.Name, err)
	}
	defer lock.Remove()
	if f := c.use(path); f != nil {
		return f, nil
	}
	d, err := c.begin(a, path+partSuffix)
	if err != nil {
		return nil, err
	}
	defer d.part.Close()
	if err := c.persist(ctx, d); err != nil {
		if errors.Is(err, nodeapi.ErrInvalid) || errors.Is(err, syscall.ENOSPC) {
			_ = os.Remove(d.part.Name())
		}
		return nil, err
	}
	f, err := d.publish(path)
	if err != nil {
		return nil, fmt.Errorf("keeping artifact %q: %w", a.Name, err)
	}
	c.trim(c.Limit)
	return f, nil
}

// persist tries until everything is there. Interruptions do not count as long as there is
// progress between them.
func (c *Cache) persist(ctx context.Context, d *download) error {
	for attempt := 1; ; attempt++ {
		before := d.have
		err := d.attempt(ctx)
		if err == nil {
			return nil
		}
		if d.have >= before+mebibyte {
			attempt = 1
		}
		full := errors.Is(err, syscall.ENOSPC)
		if full && c.trim(0) == 0 || !full && (attempt >= c.Attempts || !isTemporary(err)) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fetching artifact %q: %w", d.artifact.Name, ctx.Err())
		case <-time.After(c.Pause):
		}
	}
}

// isTemporary reports whether the same fetch may succeed in a moment.
func isTemporary(err error) bool {
	var refused refusedError
	return !errors.Is(err, nodeapi.ErrInvalid) && !errors.As(err, &refused) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}

// refusedError is the answer of a server that does not give the artifact.
type refusedError struct{ status string }

func (e refusedError) Error() string { return "the server answers " + e.status }

// Redact returns a URI without user and password, for messages. The user may be a token.
func Redact(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "a malformed URI"
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	return u.String()
}

// DescribeProgress is the message of a fetch that is under way. A negative total is not
// known yet.
func DescribeProgress(a nodeapi.Artifact, have, total int64) string {
	if total < 0 {
		return fmt.Sprintf("fetching artifact %q: %d MiB", a.Name, have/mebibyte)
	}
	return fmt.Sprintf("fetching artifact %q: %d of %d MiB", a.Name, have/mebibyte, total/mebibyte)
}
