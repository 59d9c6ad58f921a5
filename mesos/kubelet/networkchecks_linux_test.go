package kubelet

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestBlockedForwardingRefusesTheNode(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	for name, tc := range map[string]struct {
		chain           string
		refused, report string
	}{
		"nothing":               {chain: "policy accept;"},
		"everything is dropped": {chain: "policy drop;", refused: `the chain "f" of nftables' table inet x drops every new connection`},
		"others are accepted":   {chain: `policy drop; iifname "eth1" accept;`, report: `the chain "f" of nftables' table inet x drops what it does not accept`},
	} {
		t.Run(name, func(t *testing.T) {
			load := exec.Command("nft", "-f", "-")
			load.Stdin = strings.NewReader("flush ruleset\ntable inet x { chain f { type filter hook forward priority 0; " + tc.chain + " }; }\n")
			if out, err := load.CombinedOutput(); err != nil {
				t.Skipf("needs nftables: %v: %s", err, out)
			}
			n, last := testNode(t), Report{}
			n.health = newHealth(func(r Report) { last = r })
			err := n.checkNetwork(t.Context(), "k8sm-0123456789")
			if (err == nil) != (tc.refused == "") || err != nil && !strings.Contains(err.Error(), tc.refused) {
				t.Errorf("error is %v", err)
			}
			if !strings.Contains(last.Message, tc.report) {
				t.Errorf("reported: %q", last.Message)
			}
			// A network of others is theirs.
			if err := n.checkNetwork(t.Context(), ""); err != nil {
				t.Errorf("without a bridge of our own: %v", err)
			}
		})
	}
}

func TestPoolsOwnResolvConfIsNotJudged(t *testing.T) {
	n := testNode(t)
	n.health = newHealth(func(r Report) { t.Errorf("reported: %+v", r) })
	n.spec = kubelettest.LaunchSpec()
	n.overrides.Fields = map[string]json.RawMessage{"resolvConf": []byte(`"/etc/resolv.pods"`)}
	if got := n.resolvConf(); got != "" {
		t.Errorf("%s is used", got)
	}
}

// The executor asks once, and a Node that is Ready says what it found.
func TestAgentThatServesEverybodyIsReported(t *testing.T) {
	for name, tc := range map[string]struct {
		open bool
		err  error
	}{
		"open": {open: true}, "closed": {}, "unknown": {err: os.ErrDeadlineExceeded},
	} {
		n, last := testNode(t), Report{}
		n.health = newHealth(func(r Report) { last = r })
		n.AskAgent = func(context.Context) (bool, error) { return tc.open, tc.err }
		n.askAgent(t.Context())
		n.health.setProblem("kubelet", "")
		if last != (Report{}) {
			t.Errorf("%s: reported before the Node is Ready: %+v", name, last)
		}
		n.health.setReady("digest")
		if last.Status.AnonymousExecutors != tc.open || last.Status.Kubelet != "digest" {
			t.Errorf("%s: reported %+v", name, last.Status)
		}
		n.health.setKubelet("other")
		if last.Status.AnonymousExecutors != tc.open || last.Status.Kubelet != "other" {
			t.Errorf("%s: reported after an upgrade %+v", name, last.Status)
		}
	}
}
