package kubelet

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

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Cache keeps verified artifacts by digest. Nodes on one agent share it, each with a
// process of its own.
type Cache struct {
	// Dir is made when it is needed.
	Dir string
	// Client fetches http and https.
	Client *http.Client
	// Attempts in a row that get nowhere before giving up, and the Pause between them.
	Attempts int
	Pause    time.Duration
	// Stall is how long a transfer may bring nothing before it counts as interrupted.
	Stall time.Duration
	// Limit, in bytes, bounds the cache, each artifact, and what an archive unpacks to.
	// What nodes use stays, even if that is more.
	Limit int64
	// Now dates the last use of an artifact.
	Now func() time.Time
	// Progress is told how many bytes of an artifact are there; total is negative while
	// it is not known. May be nil.
	Progress func(a nodeapi.Artifact, have, total int64)
}

// defaultCacheMiB is the bound on the cache where the launch message sets none.
const defaultCacheMiB = 10240

// NewCache returns the cache that a launch message asks for.
func NewCache(l *nodeapi.LaunchSpec, now func() time.Time) *Cache {
	limit := l.CacheMiB
	if limit == 0 {
		limit = defaultCacheMiB
	}
	return &Cache{
		Dir: filepath.Join(l.StateDir, nodeapi.CacheDirName, "sha256"),
		Client: &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ResponseHeaderTimeout: 30 * time.Second,
			DisableCompression:    true,
		}},
		Attempts: 3,
		Pause:    time.Second,
		Stall:    30 * time.Second,
		Limit:    limit * mebibyte,
		Now:      now,
	}
}

// Fetch returns the artifact's file, which has its digest and is executable. As long as
// the file is open, in whichever process, it stays in the cache. It is fetched unless
// it is there already; two nodes that want the same wait for one another; what an
// earlier fetch did not finish is gone on with.
func (c *Cache) Fetch(ctx context.Context, a nodeapi.Artifact) (*os.File, error) {
	path := filepath.Join(c.Dir, a.SHA256)
	if f := c.use(path); f != nil {
		return f, nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making artifact cache: %w", err)
	}
	lock, err := acquire(ctx, path+lockSuffix)
	if err != nil {
		return nil, fmt.Errorf("waiting for another node that fetches artifact %q: %w", a.Name, err)
	}
	defer lock.release()
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

// persist tries until all is there. Interruptions don't count as long as it gets on
// between them.
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
		if full && c.trim(0) == 0 || !full && (attempt >= c.Attempts || !mayPass(err)) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fetching artifact %q: %w", d.artifact.Name, ctx.Err())
		case <-time.After(c.Pause):
		}
	}
}

// mayPass says whether the same may go well in a moment.
func mayPass(err error) bool {
	var refused refusedError
	return !errors.Is(err, nodeapi.ErrInvalid) && !errors.As(err, &refused) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}

// refusedError is the answer of a server that has nothing for us.
type refusedError struct{ status string }

func (e refusedError) Error() string { return "the server answers " + e.status }

func redacted(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "a malformed URI"
	}
	return u.Redacted()
}
