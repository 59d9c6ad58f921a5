package catalogue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/version"

	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

const (
	// releaseValidity is the time for which an answer of the API server counts.
	releaseValidity = 3 * time.Minute
	// releaseTimeout bounds the question.
	releaseTimeout = 5 * time.Second
)

// APIServer knows the release of the API server. With several of them, it is the one that
// answers. It is safe for concurrent use.
type APIServer struct {
	// Version asks the API server for its version.
	Version func(context.Context) (*version.Info, error)
	Now     func() time.Time
	Log     logr.Logger

	mu      sync.Mutex
	release nodetemplate.Release
	// known is true once the API server has answered.
	known bool
	// askedAt is when the API server was asked last.
	askedAt time.Time
}

// Release returns the release of the API server. It asks at most every few minutes; if the API
// server does not answer, the answer of before counts. The release is zero if it cannot be
// known, and the error is for an API server that never answered.
func (a *APIServer) Release(ctx context.Context) (nodetemplate.Release, error) {
	release, known, ask := a.state()
	if !ask {
		return release, nil
	}
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	info, err := a.Version(ctx) // No lock is held: others go by the answer of before.
	switch {
	case apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err):
		a.Log.Info("The version of the API server cannot be read, so that kubelets are not compared with it", "error", err.Error())
		release = nodetemplate.Release{}
	case err != nil && !known:
		return release, fmt.Errorf("asking the API server for its version: %w", err)
	case err != nil:
		a.Log.Error(err, "The API server did not give its version, and the one of before counts", "release", release)
	default:
		release, _ = nodetemplate.ParseRelease(info.GitVersion)
	}
	a.set(release)
	return release, nil
}

// state returns the release, whether the API server has ever answered, and whether the caller
// has to ask it now. Of several callers, one has to ask again; until the first answer, all.
func (a *APIServer) state() (release nodetemplate.Release, known, ask bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Now()
	ask = !a.known || now.Sub(a.askedAt) >= releaseValidity
	if ask {
		a.askedAt = now
	}
	return a.release, a.known, ask
}

func (a *APIServer) set(release nodetemplate.Release) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.release, a.known = release, true
}
