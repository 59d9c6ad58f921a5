package kubelet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// ErrInvalid marks what would fail again on any agent: a launch message or an artifact
// that is not what it should be.
var ErrInvalid = errors.New("invalid")

// Cache keeps verified artifacts by digest. Nodes on one agent share it.
type Cache struct {
	// Dir is made when it is needed.
	Dir string
	// Client fetches http and https.
	Client *http.Client
	// Attempts to fetch before giving up, and the Pause between them.
	Attempts int
	Pause    time.Duration
}

// NewCache returns the cache in a state folder.
func NewCache(stateDir string) *Cache {
	return &Cache{
		Dir: filepath.Join(stateDir, cacheDir, "sha256"),
		Client: &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ResponseHeaderTimeout: 30 * time.Second,
			DisableCompression:    true,
		}},
		Attempts: 3,
		Pause:    time.Second,
	}
}

// Fetch returns the path of the artifact's file, which has its digest and is
// executable. It is fetched unless it is there already; two nodes that want the same
// wait for one another.
func (c *Cache) Fetch(ctx context.Context, a Artifact) (string, error) {
	file := filepath.Join(c.Dir, a.SHA256)
	if present(file) {
		return file, nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return "", fmt.Errorf("making artifact cache: %w", err)
	}
	lock, err := acquire(ctx, file+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another node that fetches artifact %q: %w", a.Name, err)
	}
	defer lock.release()
	if present(file) {
		return file, nil
	}
	removeAll(file + ".*.part") // what a killed executor left
	for attempt := 1; ; attempt++ {
		err := c.fetch(ctx, a, file)
		if err == nil {
			return file, nil
		}
		if errors.Is(err, ErrInvalid) || attempt >= c.Attempts {
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("fetching artifact %q: %w", a.Name, ctx.Err())
		case <-time.After(c.Pause):
		}
	}
}

func present(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}

func removeAll(pattern string) {
	files, _ := filepath.Glob(pattern)
	for _, f := range files {
		_ = os.Remove(f)
	}
}

// fetch writes the artifact beside file, checks its digest and renames it.
func (c *Cache) fetch(ctx context.Context, a Artifact, file string) error {
	source, err := c.open(ctx, a.URI)
	if err != nil {
		return fmt.Errorf("fetching artifact %q from %s: %w", a.Name, redacted(a.URI), err)
	}
	defer source.Close()
	part, err := os.CreateTemp(c.Dir, filepath.Base(file)+".*.part")
	if err != nil {
		return fmt.Errorf("fetching artifact %q: %w", a.Name, err)
	}
	defer os.Remove(part.Name())
	defer part.Close()

	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(part, hash), source); err != nil {
		return fmt.Errorf("fetching artifact %q from %s: %w", a.Name, redacted(a.URI), err)
	}
	if actual := hex.EncodeToString(hash.Sum(nil)); actual != a.SHA256 {
		return fmt.Errorf("%w artifact %q: %s has SHA-256 %s, expected %s", ErrInvalid, a.Name, redacted(a.URI), actual, a.SHA256)
	}
	return errors.Join(part.Chmod(0o755), part.Close(), os.Rename(part.Name(), file))
}

func (c *Cache) open(ctx context.Context, uri string) (io.ReadCloser, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, errors.New("malformed URI")
	}
	if u.Scheme == "file" {
		return os.Open(u.Path)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, errors.New("malformed URI")
	}
	response, err := c.Client.Do(request)
	if err != nil {
		// What the client says quotes the URI, which may hold a password.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("the server answers %s", response.Status)
	}
	return response.Body, nil
}

func redacted(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "a malformed URI"
	}
	return u.Redacted()
}
