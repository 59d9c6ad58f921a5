package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/fixture"
)

// broken is a pool whose nodes are none.
const broken = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: broken}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    spec:
      resources: {cpu: 300m, memory: 640Mi}
`

// brokenKubelet has them run another kubelet.
const brokenKubelet = `      runtime: {artifacts: [{name: kubelet, uri: "%s", sha256: "%s"}]}
`

// noDigest is one that no file has.
var noDigest = strings.Repeat("0", 64)

// Each is one clear reason in the condition of the MesosNode, and leaves nothing. A clock
// that is off is tested beside the code that finds it: all processes of a machine share it.
func (h *house) saysWhatIsWrong() {
	It("says that a version does not exist", func(ctx SpecContext) {
		server := h.fileServer(http.NotFoundHandler())
		h.refused(ctx, server+"/kubernetes/v9.99.9/kubelet", noDigest, `artifact "kubelet"`, "/kubernetes/v9.99.9/kubelet", "404 Not Found")
	})

	It("says how far it is with an artifact that takes its time", func(ctx SpecContext) {
		server := h.fileServer(http.HandlerFunc(slowly))
		h.MustApply(ctx, fmt.Sprintf(broken+brokenKubelet, server+"/kubelet", noDigest))
		h.launchSays(ctx, `fetching artifact "kubelet": `, " of 64 MiB")
		h.MustKubectl(ctx, "delete", "mesosnodepool", "broken", "--timeout=60s")
	})

	It("says that an artifact has another digest", func(ctx SpecContext) {
		uri, digest := h.script("exit 0")
		h.refused(ctx, uri, noDigest, `artifact "kubelet"`, digest, noDigest)
	})

	It("says what a kubelet that ends at once has said", func(ctx SpecContext) {
		uri, digest := h.script("echo unknown flag: --foo; exit 1")
		h.refused(ctx, uri, digest, "kubelet", "ended 5 times", "exit status 1", "unknown flag: --foo")
	})

	It("says which port is taken", func(ctx SpecContext) {
		h.RunPod(ctx, "squatter", "large", `
    command: [sh, -c, "for port in $(seq 31000 31099); do httpd -p $port; done; echo all taken; exec sleep 3600"]
  hostNetwork: true
`)
		h.AwaitPod(ctx, "squatter", fixture.Running)
		Eventually(ctx, func() (string, error) { return h.Kubectl(ctx, "logs", "squatter") }).
			WithTimeout(time.Minute).WithPolling(time.Second).Should(ContainSubstring("all taken"))
		uri, digest := h.script("exec sleep 3600")
		h.refused(ctx, uri, digest, "port 31", "is taken on", "by a process that Mesos does not know")
	})
}

// saysWhatIsWrongWithItsDisk is for when no node lives: its state would be hidden.
func (h *house) saysWhatIsWrongWithItsDisk() {
	for _, disk := range []struct{ name, options, says string }{
		{"is full", "size=16m", "no space left on device"},
		{"is read-only", "ro", "read-only file system"},
		{"runs no programs", "noexec", "is mounted noexec"},
	} {
		It("says that its disk "+disk.name, func(ctx SpecContext) {
			out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", disk.options, "tmpfs", h.StateDir()).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			h.isNone(ctx, broken, disk.says, h.StateDir())
			// It is busy until the last executor has gone. Else the playground removes it.
			Eventually(ctx, func() error { return exec.Command("umount", h.StateDir()).Run() }).
				WithTimeout(30 * time.Second).WithPolling(time.Second).Should(Succeed())
		})
	}
}

// refused expects that a node of this kubelet is none, and that no other feels it.
func (h *house) refused(ctx SpecContext, uri, digest string, words ...string) {
	GinkgoHelper()
	before := h.awaitLodgers(ctx)
	h.isNone(ctx, fmt.Sprintf(broken+brokenKubelet, uri, digest), words...)
	h.undisturbed(ctx, before)
}

// isNone expects that the broken pool's node is none, that its condition says all the
// words, and that nothing of it is left on the agent.
func (h *house) isNone(ctx SpecContext, pool string, words ...string) {
	GinkgoHelper()
	h.MustApply(ctx, pool)
	node := h.launchSays(ctx, words...)
	Expect(meta.IsStatusConditionTrue(node.Status.Conditions, v1alpha1.ConditionLaunched)).To(BeFalse())
	Expect(h.nodeFolder(node.Name)).NotTo(BeADirectory(), "half a node")
	h.MustKubectl(ctx, "delete", "mesosnodepool", "broken", "--timeout=60s")
}

// launchSays waits for all the words in the condition of the broken pool's node, and
// returns that.
func (h *house) launchSays(ctx SpecContext, words ...string) (node *v1alpha1.MesosNode) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var nodes v1alpha1.MesosNodeList
		g.Expect(h.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: "broken"})).To(Succeed())
		g.Expect(nodes.Items).To(HaveLen(1))
		node = &nodes.Items[0]
		launched := meta.FindStatusCondition(node.Status.Conditions, v1alpha1.ConditionLaunched)
		g.Expect(launched).NotTo(BeNil())
		for _, word := range words {
			g.Expect(launched.Message).To(ContainSubstring(word))
		}
	}).WithTimeout(90 * time.Second).WithPolling(500 * time.Millisecond).Should(Succeed())
	return node
}

// slowly serves 64 MiB.
func slowly(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(64<<20))
	for range 64 {
		_, _ = w.Write(make([]byte, 1<<20))
		select {
		case <-r.Context().Done():
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// fileServer is one that agents reach.
func (h *house) fileServer(handler http.Handler) string {
	GinkgoHelper()
	plane, err := url.Parse(h.Config.Host)
	Expect(err).NotTo(HaveOccurred())
	listener, err := net.Listen("tcp", net.JoinHostPort(plane.Hostname(), "0"))
	Expect(err).NotTo(HaveOccurred())
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	DeferCleanup(server.Close)
	return server.URL
}

// script in the place of a kubelet: its URI, and its digest.
func (h *house) script(text string) (uri, digest string) {
	GinkgoHelper()
	content := []byte("#!/bin/sh\n" + text + "\n")
	file := filepath.Join(GinkgoT().TempDir(), "kubelet")
	Expect(os.WriteFile(file, content, 0o755)).To(Succeed())
	sum := sha256.Sum256(content)
	return "file://" + file, hex.EncodeToString(sum[:])
}
