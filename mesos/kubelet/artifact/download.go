package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// download is an artifact on its way into the cache. Its owner holds the artifact's lock.
type download struct {
	cache    *Cache
	artifact nodeapi.Artifact
	part     *os.File
	have     int64 // bytes in part
	hash     hash.Hash
	// inherited: the part begins with bytes that another process fetched.
	inherited bool
}

// begin opens the part, and continues where another process was interrupted.
func (c *Cache) begin(a nodeapi.Artifact, path string) (*download, error) {
	part, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("fetching artifact %q: %w", a.Name, err)
	}
	d := &download{cache: c, artifact: a, part: part, hash: sha256.New()}
	if d.have, err = io.Copy(d.hash, part); err != nil {
		part.Close()
		return nil, fmt.Errorf("fetching artifact %q: reading what is there: %w", a.Name, err)
	}
	d.inherited = d.have > 0
	return d, nil
}

// restart discards the bytes that are there.
func (d *download) restart() error {
	d.have, d.inherited = 0, false
	d.hash.Reset()
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

// attempt fetches what is missing, and checks the digest.
func (d *download) attempt(ctx context.Context) error {
	if err := d.transfer(ctx); err != nil {
		if errors.Is(err, nodeapi.ErrInvalid) {
			return err
		}
		return fmt.Errorf("fetching artifact %q from %s: %w", d.artifact.Name, Redact(d.artifact.URI), err)
	}
	actual := hex.EncodeToString(d.hash.Sum(nil))
	if actual == d.artifact.SHA256 {
		return nil
	}
	if d.inherited { // the fault may be in the inherited bytes
		if err := d.restart(); err != nil {
			return fmt.Errorf("fetching artifact %q anew: %w", d.artifact.Name, err)
		}
		return d.attempt(ctx)
	}
	return fmt.Errorf("%w artifact %q: %s has SHA-256 %s, expected %s", nodeapi.ErrInvalid, d.artifact.Name, Redact(d.artifact.URI), actual, d.artifact.SHA256)
}

// transfer appends to the part until the source ends.
func (d *download) transfer(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := d.cache.Stall
	watchdog := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing came for %s", stall)) })
	defer watchdog.Stop()
	s, err := d.cache.open(ctx, d.artifact.URI, d.have)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer s.Close()
	if s.from != d.have {
		if err := d.restart(); err != nil {
			return err
		}
	}
	if s.total > d.cache.Limit {
		return d.tooLarge()
	}
	d.cache.trim(d.cache.Limit - max(s.total, 0))
	return causeOf(ctx, d.copy(s, watchdog))
}

// because puts the reason for which a context was cancelled in the place of what that
// led to.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (d *download) copy(s *source, watchdog *time.Timer) error {
	buffer := make([]byte, 256<<10)
	for {
		n, err := s.Read(buffer)
		watchdog.Reset(d.cache.Stall)
		if d.have+int64(n) > d.cache.Limit {
			return d.tooLarge()
		}
		written, writeErr := d.part.Write(buffer[:n])
		d.hash.Write(buffer[:written])
		d.have += int64(written)
		if writeErr != nil {
			return writeErr
		}
		if d.cache.Progress != nil {
			d.cache.Progress(d.artifact, d.have, s.total)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d *download) tooLarge() error {
	return fmt.Errorf("%w artifact %q: %s is larger than the cache may be, %d MiB", nodeapi.ErrInvalid, d.artifact.Name, Redact(d.artifact.URI), d.cache.Limit/mebibyte)
}

// publish makes the part the artifact, on the disk before it has the name, and returns it
// in use. It is opened again because a file that is open for writing cannot be run.
func (d *download) publish(path string) (*os.File, error) {
	if err := errors.Join(d.part.Chmod(0o755), d.part.Sync(), d.part.Close()); err != nil {
		return nil, err
	}
	f, err := os.Open(d.part.Name())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(filelock.Share(f), os.Rename(f.Name(), path)); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// source is what an artifact is read from, beginning at an offset.
type source struct {
	io.ReadCloser
	from  int64
	total int64 // negative: not known
}

// open begins to read at the offset if it can, else at 0.
func (c *Cache) open(ctx context.Context, uri string, from int64) (*source, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, errors.New("malformed URI")
	}
	if u.Scheme == "file" { // not unescaped, like the Mesos fetcher
		return openFile(strings.TrimPrefix(uri, "file://"))
	}
	response, err := c.ask(ctx, uri, from)
	if err != nil {
		return nil, err
	}
	code := response.StatusCode
	switch code {
	case http.StatusOK:
		return &source{response.Body, 0, response.ContentLength}, nil
	case http.StatusPartialContent:
		if begin, total, ok := parseContentRange(response.Header.Get("Content-Range")); ok && begin == from {
			return &source{response.Body, from, total}, nil
		}
	}
	response.Body.Close()
	switch {
	case from > 0 && (code == http.StatusRequestedRangeNotSatisfiable || code == http.StatusPartialContent):
		// The server has less than the part, or its answer begins elsewhere: fetch all of it.
		return c.open(ctx, uri, 0)
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		return nil, refusedError{response.Status}
	}
	return nil, fmt.Errorf("the server answers %s", response.Status)
}

// ask requests the bytes from the offset on.
func (c *Cache) ask(ctx context.Context, uri string, from int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, errors.New("malformed URI")
	}
	if from > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	response, err := c.Client.Do(request)
	// The client's error quotes the URI, which may hold a password.
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return response, err
}

// parseContentRange reads "bytes 100-199/200"; the total may be "*".
func parseContentRange(header string) (begin, total int64, ok bool) {
	span, size, found := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	first, _, dashed := strings.Cut(span, "-")
	begin, err := strconv.ParseInt(first, 10, 64)
	if !found || !dashed || err != nil {
		return 0, 0, false
	}
	if total, err = strconv.ParseInt(size, 10, 64); err != nil {
		total = -1
	}
	return begin, total, true
}

func openFile(path string) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &source{f, 0, info.Size()}, nil
}
