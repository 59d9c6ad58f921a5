// Package fetcher fetches the URIs of a command into its sandbox, as the Mesos fetcher
// does. Archives are not extracted.
package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// Fetch fetches the URIs of a command into its sandbox, one after the other, as
// the Mesos fetcher does. Archives are not extracted.
func Fetch(ctx context.Context, uris []mesos.CommandInfo_URI, sandbox string) error {
	for _, uri := range uris {
		if err := fetchOne(ctx, uri, sandbox); err != nil {
			return fmt.Errorf("fetching %s: %w", uri.Value, err)
		}
	}
	return nil
}

func fetchOne(ctx context.Context, uri mesos.CommandInfo_URI, sandbox string) error {
	target, err := targetOf(uri, sandbox)
	if err != nil {
		return err
	}
	source, err := open(ctx, uri.Value)
	if err != nil {
		return err
	}
	defer source.Close()
	mode := os.FileMode(0o644)
	if uri.GetExecutable() {
		mode = 0o755
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, source)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// targetOf is output_file, or what follows the last '/' of the URI as it stands,
// query and escapes included; always in the sandbox.
func targetOf(uri mesos.CommandInfo_URI, sandbox string) (string, error) {
	if strings.ContainsAny(uri.Value, "\\'\x00") {
		return "", errors.New("illegal characters in URI")
	}
	name := uri.GetOutputFile()
	if name == "" {
		name = uri.Value[strings.LastIndexByte(uri.Value, '/')+1:]
	}
	if !filepath.IsLocal(name) || name == "." {
		return "", fmt.Errorf("%q is no file name in the sandbox", name)
	}
	return filepath.Join(sandbox, name), nil
}

// open opens http, https and file URIs, and absolute paths. What follows file:// is a
// path as it stands: nothing in it is decoded.
func open(ctx context.Context, value string) (io.ReadCloser, error) {
	scheme, rest, found := strings.Cut(value, "://")
	switch {
	case !found:
		rest = value
	case scheme == "http" || scheme == "https":
		return openHTTP(ctx, value)
	case scheme == "file":
		rest = strings.TrimPrefix(rest, "localhost")
	default:
		return nil, fmt.Errorf("scheme %q is not supported", scheme)
	}
	if !filepath.IsAbs(rest) {
		return nil, mesoserror.Errorf("File URI only supports absolute paths")
	}
	return os.Open(rest)
}

func openHTTP(ctx context.Context, value string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, value, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("unexpected answer %s", response.Status)
	}
	return response.Body, nil
}
