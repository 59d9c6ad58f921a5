package kubelet

import (
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

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const (
	// provesWithin is how long a new kubelet has to make its Node Ready.
	provesWithin = 2 * time.Minute
	// triedFor bounds a trial during which the API server was away: it may be the kubelet
	// that keeps the agent from its network, and after about this time its pods are lost.
	triedFor = 5 * time.Minute
	// saysVersionWithin bounds the question for a kubelet's version.
	saysVersionWithin = 30 * time.Second
)

// errRolledBack marks a kubelet that was started and did not prove itself.
var errRolledBack = errors.New("rolled back")

// Instruct takes an Instruction and returns at once. What comes before the node is Ready,
// or while an earlier one is carried out, is dropped: the operator says it again.
func (n *Node) Instruct(message []byte) {
	select {
	case n.instructions <- message:
	default:
	}
}

// obey carries out instructions one after the other until the context ends.
func (n *Node) obey(ctx context.Context) {
	for {
		select {
		case message := <-n.instructions:
			n.carryOut(ctx, message)
		case <-ctx.Done():
			return
		}
	}
}

// carryOut answers an instruction, unless it was answered before.
func (n *Node) carryOut(ctx context.Context, message []byte) {
	in, err := nodeapi.DecodeUpgradeRequest(message)
	wanted := in.Kubelet.SHA256
	known := n.health.said()
	if wanted == "" || wanted == known.Kubelet || known.Upgrade.Refused && wanted == known.Upgrade.SHA256 {
		return
	}
	if err == nil {
		n.Log.Info("Upgrading the kubelet", "sha256", wanted, "uri", redacted(in.Kubelet.URI))
		err = n.upgrade(ctx, in.Kubelet)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		n.Log.Error(err, "Failed to upgrade the kubelet", "sha256", wanted)
		refused := errors.Is(err, nodeapi.ErrInvalid) || errors.Is(err, errRolledBack) && !isAway(err)
		n.health.upgrades(nodeapi.Upgrade{SHA256: wanted, Message: err.Error(), Refused: refused})
	default:
		n.Log.Info("Upgraded the kubelet", "sha256", wanted)
		n.health.runs(wanted)
	}
}

// upgrade has another kubelet take the place of the one that runs. Until the last moment
// that one goes on; if the new one does not prove itself it comes back. Pods don't notice:
// they belong to their shims.
func (n *Node) upgrade(ctx context.Context, a nodeapi.Artifact) error {
	cache := n.kubeletCache(a)
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
	before, after, err := n.sameMinor(ctx)
	if err != nil {
		return err
	}
	tell := n.nowAndThen(n.tellOf(a))
	waiting := func(why error) {
		tell(fmt.Sprintf("waiting to see whether kubelet %s makes its Node Ready: %s", after, why))
	}
	if err := n.exchange(ctx, waiting); err != nil {
		return fmt.Errorf("kubelet %s did not prove itself and was %w to %s: %w", after, errRolledBack, before, err)
	}
	exchanged = true
	n.installed.replace(a.Name, file)
	return nil
}

// tellOf tells the operator how far it is with a kubelet.
func (n *Node) tellOf(a nodeapi.Artifact) func(step string) {
	return func(step string) { n.health.upgrades(nodeapi.Upgrade{SHA256: a.SHA256, Message: step}) }
}

// kubeletCache tells the operator, too, how far it is with fetching.
func (n *Node) kubeletCache(a nodeapi.Artifact) *Cache {
	cache := NewCache(n.launch, n.Now)
	tell := n.nowAndThen(n.tellOf(a))
	cache.Progress = func(a nodeapi.Artifact, have, total int64) { tell(progress(a, have, total)) }
	return cache
}

// stage puts the new kubelet beside the one that runs. It goes by the same name, which is
// what some programs go by.
func (n *Node) stage(path string) error {
	if err := errors.Join(os.MkdirAll(n.layout.in("staged"), 0o755), os.MkdirAll(n.layout.in("former"), 0o755)); err != nil {
		return err
	}
	staged := n.layout.in("staged", nodeapi.ArtifactKubelet)
	if err := os.Remove(staged); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(path, staged)
}

// sameMinor refuses a kubelet of another minor release than the one that runs: it may
// have other flags, and keep its state in other ways.
func (n *Node) sameMinor(ctx context.Context) (before, after string, err error) {
	before, err = n.versionOf(ctx, n.layout.program(nodeapi.ArtifactKubelet))
	if err != nil {
		return "", "", fmt.Errorf("asking the kubelet that runs for its version: %w", err)
	}
	after, err = n.versionOf(ctx, n.layout.in("staged", nodeapi.ArtifactKubelet))
	if err != nil {
		return "", "", fmt.Errorf("%w kubelet: asking it for its version: %w", nodeapi.ErrInvalid, err)
	}
	if minorOf(before) != minorOf(after) {
		return "", "", fmt.Errorf("%w kubelet: %s is not of the minor release of %s, which runs; only a node that is made anew takes another", nodeapi.ErrInvalid, after, before)
	}
	return before, after, nil
}

// versionPattern finds v1.37 and v1.37.2 in "Kubernetes v1.37.2".
var versionPattern = regexp.MustCompile(`(v[0-9]+\.[0-9]+)\.[0-9]+\S*`)

func minorOf(version string) string { return versionPattern.FindStringSubmatch(version)[1] }

// versionOf asks a kubelet which it is.
func (n *Node) versionOf(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, saysVersionWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = environment(n.layout, n.Environ)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running %s --version: %w", filepath.Base(path), err)
	}
	version := versionPattern.FindString(string(out))
	if version == "" {
		return "", fmt.Errorf("running %s --version: it says %q", filepath.Base(path), lastBytes(out, 100))
	}
	return version, nil
}

// exchange stops the kubelet, starts the staged one, and lets it prove itself. If it does
// not, the kubelet before it runs again. Why it can't be told yet is said by waiting.
func (n *Node) exchange(ctx context.Context, waiting func(why error)) error {
	current, staged, former := n.layout.program(nodeapi.ArtifactKubelet), n.layout.in("staged", nodeapi.ArtifactKubelet), n.layout.in("former", nodeapi.ArtifactKubelet)
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
	if back := n.runKubelet(ctx, n.failed, n.health.wasReady); back != nil {
		n.failed <- back
	}
	return err
}

// tryKubelet starts the kubelet, and waits for it to say that its Node is Ready.
func (n *Node) tryKubelet(ctx context.Context, waiting func(why error)) error {
	// Nodes say in whole seconds when they said what: in this one the kubelet before may
	// have spoken.
	since := n.Now().Truncate(time.Second).Add(time.Second)
	time.Sleep(since.Sub(n.Now()))
	failed, proven := make(chan error, 1), &atomic.Bool{}
	if err := n.runKubelet(ctx, failed, proven.Load); err != nil {
		return err
	}
	trial, over := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait() // so that it has nothing to say afterwards
	defer over()
	ready := make(chan error, 1)
	asking.Go(func() { ready <- n.awaitProof(trial, since, waiting) })
	select {
	case err := <-failed:
		return err
	case err := <-ready:
		if err != nil {
			return err
		}
	}
	proven.Store(true)
	n.running.Go(func() { // what befalls it from now on befalls the node
		select {
		case err := <-failed:
			n.failed <- err
		case <-ctx.Done():
		}
	})
	return nil
}

// awaitProof waits for the Node to be Ready since then. A kubelet's time begins anew with
// each time that the API server can't be asked. It is an awayError if it never ran out.
func (n *Node) awaitProof(ctx context.Context, since time.Time, waiting func(why error)) error {
	ctx, over := context.WithCancelCause(ctx)
	defer over(nil)
	begun := n.Now()
	heard := begun // from when on the API server answered
	err := awaitReady(ctx, n.question(since), n.readyEvery, func(why error) {
		now := n.Now()
		if isAway(why) && ctx.Err() == nil {
			heard = now
			waiting(why)
		}
		switch {
		case now.Sub(heard) >= n.provesWithin:
			over(fmt.Errorf("waiting for %s: %w", n.provesWithin, why))
		case now.Sub(begun) >= n.triedFor:
			over(awayError{fmt.Errorf("the API server was away for most of %s: %w", n.triedFor, why)})
		}
	})
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}
