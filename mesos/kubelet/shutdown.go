package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// container that runs on the node.
type container struct {
	pid int    // of its first process
	pod string // the UID of its pod, empty if it is none's
}

// criticalPriority is the least of pods that others on the node depend on, as
// Kubernetes has it: those of networks and of logs, say.
const criticalPriority = 2_000_000_000

// endContainers ends the containers within the time that is left: first those of
// ordinary pods, then, with a third of the time or ten seconds, those of critical ones.
func (n *Node) endContainers() {
	running := n.ground.containers()
	if len(running) == 0 {
		return
	}
	critical := n.criticalPods()
	isCritical := func(c container) bool { return critical[c.pod] }
	s := &shutdown{node: n, told: map[int]hearing{}}
	if slices.ContainsFunc(running, isCritical) {
		ordinary := func(c container) bool { return !isCritical(c) }
		s.end(ordinary, min(n.timeLeft()/3, 10*time.Second))
	}
	s.end(func(container) bool { return true }, 0)
}

// timeLeft until what still runs is killed.
func (n *Node) timeLeft() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.deadline.Sub(n.Now())
}

// hearing is what a process does about a SIGTERM.
type hearing int

// A first process of a PID namespace that is deaf never sees the signal; one that holds
// it back may ask for it later, or never; one that catches it has a handler.
const (
	deaf hearing = iota + 1
	holdsBack
	catches
)

// shutdown remembers which containers were sent SIGTERM, and how they heard it.
type shutdown struct {
	node *Node
	told map[int]hearing
}

// end asks the containers that are meant to end, waits for them until no more than
// reserve is left of the time, and then kills them.
func (s *shutdown) end(meant func(container) bool, reserve time.Duration) {
	for {
		left := slices.DeleteFunc(s.node.ground.containers(), func(c container) bool { return !meant(c) })
		if len(left) == 0 {
			return
		}
		over := s.node.timeLeft() <= reserve
		for _, c := range left {
			if over {
				c.signal(syscall.SIGKILL)
			} else {
				s.ask(c)
			}
		}
		if over {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// ask sends SIGTERM once: programs may take a second for impatience. But one that has
// only just begun has no handler yet: it is sent another when it has.
func (s *shutdown) ask(c container) {
	if hears := c.hears(); hears > s.told[c.pid] {
		c.signal(syscall.SIGTERM)
		s.told[c.pid] = hears
	}
}

// criticalPods are the UIDs of those of this node, by the API server. If it does not
// answer at once, all pods are ordinary.
func (n *Node) criticalPods() map[string]bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	body, err := askAsKubelet(ctx, n.launch, n.layout.clientCert(), "/api/v1/pods?fieldSelector="+url.QueryEscape("spec.nodeName="+n.launch.NodeName))
	if err != nil {
		n.Log.Info("Pods end without order: the API server does not tell which are critical", "reason", err.Error())
		return nil
	}
	defer body.Close()
	critical, err := parseCritical(io.LimitReader(body, 64*mebibyte))
	if err != nil {
		n.Log.Info("Pods end without order: the API server does not tell which are critical", "reason", err.Error())
	}
	return critical
}

func parseCritical(body io.Reader) (map[string]bool, error) {
	var pods struct {
		Items []struct {
			Metadata struct {
				UID         string
				Annotations map[string]string
			}
			Spec struct{ Priority int32 }
		}
	}
	if err := json.NewDecoder(body).Decode(&pods); err != nil {
		return nil, fmt.Errorf("reading the node's pods: %w", err)
	}
	critical := map[string]bool{}
	for _, p := range pods.Items {
		if p.Spec.Priority < criticalPriority {
			continue
		}
		critical[p.Metadata.UID] = true
		// A static pod runs under a UID that its image in the API only mentions.
		if static := p.Metadata.Annotations["kubernetes.io/config.hash"]; static != "" {
			critical[static] = true
		}
	}
	return critical, nil
}
