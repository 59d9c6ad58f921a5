package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"time"
)

const (
	// provesWithin is how long a new kubelet has to make its Node Ready.
	provesWithin = 2 * time.Minute
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
	in, err := decodeInstruction(message)
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
		n.health.upgrades(Upgrade{SHA256: wanted, Message: err.Error(), Refused: errors.Is(err, ErrInvalid) || errors.Is(err, errRolledBack)})
	default:
		n.Log.Info("Upgraded the kubelet", "sha256", wanted)
		n.health.runs(wanted)
	}
}

// upgrade has another kubelet take the place of the one that runs. Until the last moment
// that one goes on; if the new one does not prove itself it comes back. Pods don't notice:
// they belong to their shims.
func (n *Node) upgrade(ctx context.Context, a Artifact) error {
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
	if err := n.exchange(ctx); err != nil {
		return fmt.Errorf("kubelet %s did not prove itself and was %w to %s: %w", after, errRolledBack, before, err)
	}
	exchanged = true
	n.installed.replace(a.Name, file)
	return nil
}

// kubeletCache tells the operator, too, how far it is with fetching.
func (n *Node) kubeletCache(a Artifact) *Cache {
	cache := NewCache(n.launch, n.Now)
	tell := n.nowAndThen(func(step string) { n.health.upgrades(Upgrade{SHA256: a.SHA256, Message: step}) })
	cache.Progress = func(a Artifact, have, total int64) { tell(progress(a, have, total)) }
	return cache
}

// stage puts the new kubelet beside the one that runs. It goes by the same name, which is
// what some programs go by.
func (n *Node) stage(path string) error {
	if err := errors.Join(os.MkdirAll(n.layout.in("staged"), 0o755), os.MkdirAll(n.layout.in("former"), 0o755)); err != nil {
		return err
	}
	staged := n.layout.in("staged", ArtifactKubelet)
	if err := os.Remove(staged); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(path, staged)
}

// sameMinor refuses a kubelet of another minor release than the one that runs: it may
// have other flags, and keep its state in other ways.
func (n *Node) sameMinor(ctx context.Context) (before, after string, err error) {
	before, err = n.versionOf(ctx, n.layout.program(ArtifactKubelet))
	if err != nil {
		return "", "", fmt.Errorf("asking the kubelet that runs for its version: %w", err)
	}
	after, err = n.versionOf(ctx, n.layout.in("staged", ArtifactKubelet))
	if err != nil {
		return "", "", fmt.Errorf("%w kubelet: asking it for its version: %w", ErrInvalid, err)
	}
	if minorOf(before) != minorOf(after) {
		return "", "", fmt.Errorf("%w kubelet: %s is not of the minor release of %s, which runs; only a node that is made anew takes another", ErrInvalid, after, before)
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
// not, the kubelet before it runs again.
func (n *Node) exchange(ctx context.Context) error {
	current, staged, former := n.layout.program(ArtifactKubelet), n.layout.in("staged", ArtifactKubelet), n.layout.in("former", ArtifactKubelet)
	n.kubelet.end()
	err := errors.Join(os.Rename(current, former), os.Rename(staged, current))
	if err == nil {
		err = n.tryKubelet(ctx)
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
func (n *Node) tryKubelet(ctx context.Context) error {
	// Nodes say in whole seconds when they said what: in this one the kubelet before may
	// have spoken.
	since := n.Now().Truncate(time.Second).Add(time.Second)
	time.Sleep(since.Sub(n.Now()))
	failed, proven := make(chan error, 1), &atomic.Bool{}
	if err := n.runKubelet(ctx, failed, proven.Load); err != nil {
		return err
	}
	trial, over := context.WithTimeout(ctx, n.provesWithin)
	defer over()
	ready := make(chan error, 1)
	go func() {
		why := errors.New("it was not asked")
		err := awaitReady(trial, n.question(since), n.readyEvery, func(err error) {
			if trial.Err() == nil { // that the time is over is no reason
				why = err
			}
		})
		if err != nil {
			err = fmt.Errorf("waiting for %s: %w", n.provesWithin, why)
		}
		ready <- err
	}()
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
