package kubelet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver"
	"github.com/k8sm/k8sm/mesos/kubelet/artifact"
	"github.com/k8sm/k8sm/mesos/kubelet/supervisor"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// versionWithin bounds the question for a kubelet's version.
const versionWithin = 30 * time.Second

// errRolledBack marks a kubelet that was started and did not prove itself.
var errRolledBack = errors.New("rolled back")

// RequestUpgrade takes an encoded nodeapi.UpgradeRequest and returns at once. A request that
// comes before the node is Ready, or while an earlier one is handled, is dropped: the
// operator repeats it.
func (n *Node) RequestUpgrade(message []byte) {
	select {
	case n.upgradeRequests <- message:
	default:
	}
}

// handleRequests handles upgrade requests and changes of the reservation, one after the other,
// until the context ends: both exchange the kubelet.
func (n *Node) handleRequests(ctx context.Context) {
	for {
		select {
		case change := <-n.reservations:
			n.applyReservation(ctx, change)
		case message := <-n.upgradeRequests:
			n.applyUpgrade(ctx, message)
		case <-ctx.Done():
			return
		}
	}
}

// applyUpgrade handles a request, unless it was answered before.
func (n *Node) applyUpgrade(ctx context.Context, message []byte) {
	request, err := nodeapi.DecodeUpgradeRequest(message)
	wanted := request.Kubelet.SHA256
	known := n.health.nodeStatus()
	if wanted == "" || wanted == known.Kubelet || known.Upgrade.Refused && wanted == known.Upgrade.SHA256 {
		return
	}
	if err == nil {
		n.Log.Info("Upgrading the kubelet", "sha256", wanted, "uri", artifact.Redact(request.Kubelet.URI))
		err = n.upgrade(ctx, request)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		n.Log.Error(err, "Failed to upgrade the kubelet", "sha256", wanted)
		refused := errors.Is(err, nodeapi.ErrInvalid) || errors.Is(err, errRolledBack) && !apiserver.IsUnavailable(err)
		n.health.setUpgrade(nodeapi.Upgrade{SHA256: wanted, Message: err.Error(), Refused: refused})
	default:
		n.Log.Info("Upgraded the kubelet", "sha256", wanted)
		n.health.setKubelet(wanted)
	}
}

// upgrade replaces the kubelet that runs by another. Until the last moment the former one
// runs on, and if the new one does not prove itself it comes back. Pods do not notice: they
// belong to their shims.
func (n *Node) upgrade(ctx context.Context, request nodeapi.UpgradeRequest) error {
	a := request.Kubelet
	setStep := func(step string) { n.health.setUpgrade(nodeapi.Upgrade{SHA256: a.SHA256, Message: step}) }
	cache := n.cache(cmp.Or(request.MirrorCredentials, n.spec.MirrorCredentials), setStep)
	file, err := cache.Fetch(ctx, a)
	if err != nil {
		return err
	}
	exchanged := false
	defer func() {
		if !exchanged {
			_ = file.Close()
		}
	}()
	if err := n.stage(filepath.Join(cache.Dir, a.SHA256)); err != nil {
		return fmt.Errorf("staging the kubelet: %w", err)
	}
	before, after, err := n.checkMinor(ctx)
	if err != nil {
		return err
	}
	report := n.throttle(setStep)
	waiting := func(reason error) {
		report(fmt.Sprintf("waiting to see whether kubelet %s makes its Node Ready: %s", after, reason))
	}
	if err := n.exchange(ctx, waiting); err != nil {
		return fmt.Errorf("kubelet %s did not prove itself and was %w to %s: %w", after, errRolledBack, before, err)
	}
	exchanged = true
	n.installed.Replace(a.Name, file)
	return nil
}

// stage puts a link to the new kubelet beside the one that runs.
func (n *Node) stage(path string) error {
	staged := n.layout.StagedKubelet()
	if err := errors.Join(os.MkdirAll(filepath.Dir(staged), 0o755), os.MkdirAll(filepath.Dir(n.layout.FormerKubelet()), 0o755)); err != nil {
		return err
	}
	if err := os.Remove(staged); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(path, staged)
}

// checkMinor returns the versions of the kubelet that runs and of the staged one. It refuses a
// kubelet of another minor release: it may have other flags, and keep its state in other ways.
func (n *Node) checkMinor(ctx context.Context) (before, after string, err error) {
	before, err = n.kubeletVersion(ctx, n.layout.Program(nodeapi.ArtifactKubelet))
	if err != nil {
		return "", "", fmt.Errorf("asking the kubelet that runs for its version: %w", err)
	}
	after, err = n.kubeletVersion(ctx, n.layout.StagedKubelet())
	if err != nil {
		return "", "", fmt.Errorf("%w kubelet: asking it for its version: %w", nodeapi.ErrInvalid, err)
	}
	if minorOf(before) != minorOf(after) {
		return "", "", fmt.Errorf("%w kubelet: %s is not of the minor release of %s, which runs; only a node that is made anew takes another", nodeapi.ErrInvalid, after, before)
	}
	return before, after, nil
}

// versionPattern finds v1.37.2, and v1.37 in it, in "Kubernetes v1.37.2".
var versionPattern = regexp.MustCompile(`(v[0-9]+\.[0-9]+)\.[0-9]+\S*`)

func minorOf(version string) string { return versionPattern.FindStringSubmatch(version)[1] }

// kubeletVersion asks a kubelet for its version.
func (n *Node) kubeletVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = n.environment()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s --version: %w", filepath.Base(path), err)
	}
	version := versionPattern.FindString(string(out))
	if version == "" {
		return "", fmt.Errorf("running %s --version: it says %q", filepath.Base(path), supervisor.LastBytes(out, 100))
	}
	return version, nil
}

// exchange stops the kubelet and tries the staged one. If that does not prove itself, the
// former kubelet runs again. While the outcome is open the reason is passed to waiting.
func (n *Node) exchange(ctx context.Context, waiting func(reason error)) error {
	current, staged, former := n.layout.Program(nodeapi.ArtifactKubelet), n.layout.StagedKubelet(), n.layout.FormerKubelet()
	n.kubelet.end()
	err := errors.Join(os.Rename(current, former), os.Rename(staged, current))
	if err == nil {
		err = n.tryKubelet(ctx, waiting)
	}
	if err == nil {
		return nil
	}
	n.kubelet.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if back := os.Rename(former, current); back != nil {
		n.failed <- fmt.Errorf("bringing the kubelet back that ran before: %w", back)
		return err
	}
	if back := n.startKubelet(ctx, n.failed, n.health.wasReady); back != nil {
		n.failed <- back
	}
	return err
}

// tryKubelet starts the kubelet, and waits until it reports its Node Ready.
func (n *Node) tryKubelet(ctx context.Context, waiting func(reason error)) error {
	// Heartbeats of nodes are dated in whole seconds, and the former kubelet may have
	// reported in this one.
	since := n.Now().Truncate(time.Second).Add(time.Second)
	time.Sleep(since.Sub(n.Now()))
	failed, proven := make(chan error, 1), &atomic.Bool{}
	if err := n.startKubelet(ctx, failed, proven.Load); err != nil {
		return err
	}
	trial, over := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait() // so that it reports nothing afterwards
	defer over()
	ready := make(chan error, 1)
	asking.Go(func() { ready <- n.awaitTrial(trial, since, waiting) })
	select {
	case err := <-failed:
		return err
	case err := <-ready:
		if err != nil {
			return err
		}
	}
	proven.Store(true)
	n.running.Go(func() { // a failure from now on is the node's
		select {
		case err := <-failed:
			n.failed <- err
		case <-ctx.Done():
		}
	})
	return nil
}

// awaitTrial waits for the Node to be Ready since then. Whenever the API server cannot be
// asked the kubelet's time begins anew. If it never ran out, the error is an
// apiserver.UnavailableError: the limit is there because it may be the kubelet that keeps the
// agent from its network, and after about this time its pods are lost.
func (n *Node) awaitTrial(ctx context.Context, since time.Time, waiting func(reason error)) error {
	ctx, over := context.WithCancelCause(ctx)
	defer over(nil)
	begun := n.Now()
	answered := begun // the time since when the API server answers
	err := n.apiserver.AwaitReady(ctx, since, n.readyEvery, func(reason error) {
		now := n.Now()
		if apiserver.IsUnavailable(reason) && ctx.Err() == nil {
			answered = now
			waiting(reason)
		}
		switch {
		case now.Sub(answered) >= n.trialTime:
			over(fmt.Errorf("waiting for %s: %w", n.trialTime, reason))
		case now.Sub(begun) >= n.trialLimit:
			over(apiserver.UnavailableError{Err: fmt.Errorf("the API server was away for most of %s: %w", n.trialLimit, reason)})
		}
	})
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}
