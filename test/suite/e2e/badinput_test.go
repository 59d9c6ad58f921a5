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

// brokenPool is a pool whose nodes never come up.
const brokenPool = `
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

// brokenKubelet is appended to brokenPool. It names another program as the kubelet.
const brokenKubelet = `      runtime: {artifacts: [{name: kubelet, uri: "%s", sha256: "%s"}]}
`

// noDigest is a digest that no file has.
var noDigest = strings.Repeat("0", 64)

// specBadInput checks that each problem gives one clear reason in the condition of the MesosNode
// and leaves nothing behind. A wrong clock is tested beside the code that detects it, because
// all processes of a machine share the clock.
func (c *cluster) specBadInput() {
	It("reports that a version does not exist", func(ctx SpecContext) {
		server := c.fileServer(http.NotFoundHandler())
		c.expectLaunchRefused(ctx, server+"/kubernetes/v9.99.9/kubelet", noDigest, `artifact "kubelet"`, "/kubernetes/v9.99.9/kubelet", "404 Not Found")
	})

	It("reports the progress of a slow download", func(ctx SpecContext) {
		server := c.fileServer(http.HandlerFunc(serveSlowly))
		c.MustApply(ctx, fmt.Sprintf(brokenPool+brokenKubelet, server+"/kubelet", noDigest))
		c.awaitLaunchMessage(ctx, `fetching artifact "kubelet": `, " of 64 MiB")
		c.MustKubectl(ctx, "delete", "mesosnodepool", "broken", "--timeout=60s")
	})

	It("reports that an artifact has another digest", func(ctx SpecContext) {
		uri, digest := c.scriptAsKubelet("exit 0")
		c.expectLaunchRefused(ctx, uri, noDigest, `artifact "kubelet"`, digest, noDigest)
	})

	It("reports the output of a kubelet that ends at once", func(ctx SpecContext) {
		uri, digest := c.scriptAsKubelet("echo unknown flag: --foo; exit 1")
		c.expectLaunchRefused(ctx, uri, digest, "kubelet", "ended 5 times", "exit status 1", "unknown flag: --foo")
	})

	It("reports which port is taken", func(ctx SpecContext) {
		c.RunPod(ctx, "squatter", "large", `
    command: [sh, -c, "for port in $(seq 31000 31099); do httpd -p $port; done; echo all taken; exec sleep 3600"]
  hostNetwork: true
`)
		c.AwaitPod(ctx, "squatter", fixture.Running)
		Eventually(ctx, func() (string, error) { return c.Kubectl(ctx, "logs", "squatter") }).
			WithTimeout(time.Minute).WithPolling(time.Second).Should(ContainSubstring("all taken"))
		uri, digest := c.scriptAsKubelet("exec sleep 3600")
		c.expectLaunchRefused(ctx, uri, digest, "port 31", "is taken on", "by a process that Mesos does not know")
	})
}

// specBadDisk mounts file systems over the state folder, so it runs when there are no nodes.
func (c *cluster) specBadDisk() {
	for _, disk := range []struct{ name, options, reason string }{
		{"is full", "size=16m", "no space left on device"},
		{"is read-only", "ro", "read-only file system"},
		{"runs no programs", "noexec", "is mounted noexec"},
	} {
		It("reports that its disk "+disk.name, func(ctx SpecContext) {
			out, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", disk.options, "tmpfs", c.StateDir()).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			c.expectNoNode(ctx, brokenPool, disk.reason, c.StateDir())
			// The file system is busy until the last executor has ended.
			Eventually(ctx, func() error { return exec.Command("umount", c.StateDir()).Run() }).
				WithTimeout(30 * time.Second).WithPolling(time.Second).Should(Succeed())
		})
	}
}

// expectLaunchRefused expects that a node with this kubelet does not come up, and that no other
// node is disturbed.
func (c *cluster) expectLaunchRefused(ctx SpecContext, uri, digest string, words ...string) {
	GinkgoHelper()
	before := c.awaitWebPods(ctx)
	c.expectNoNode(ctx, fmt.Sprintf(brokenPool+brokenKubelet, uri, digest), words...)
	c.expectUndisturbed(ctx, before)
}

// expectNoNode expects that the broken pool's node does not come up, that its condition has all
// the words, and that nothing of it is left on the agent.
func (c *cluster) expectNoNode(ctx SpecContext, pool string, words ...string) {
	GinkgoHelper()
	c.MustApply(ctx, pool)
	node := c.awaitLaunchMessage(ctx, words...)
	Expect(meta.IsStatusConditionTrue(node.Status.Conditions, v1alpha1.ConditionLaunched)).To(BeFalse())
	Expect(c.nodeFolder(node.Name)).NotTo(BeADirectory(), "the node left its folder behind")
	c.MustKubectl(ctx, "delete", "mesosnodepool", "broken", "--timeout=60s")
}

// awaitLaunchMessage waits for all the words in the condition Launched of the broken pool's
// node, and returns the node.
func (c *cluster) awaitLaunchMessage(ctx SpecContext, words ...string) (node *v1alpha1.MesosNode) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var nodes v1alpha1.MesosNodeList
		g.Expect(c.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: "broken"})).To(Succeed())
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

// serveSlowly serves 64 MiB, at two MiB per second.
func serveSlowly(w http.ResponseWriter, r *http.Request) {
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

// fileServer starts an HTTP server that agents can reach, and returns its URL.
func (c *cluster) fileServer(handler http.Handler) string {
	GinkgoHelper()
	plane, err := url.Parse(c.Config.Host)
	Expect(err).NotTo(HaveOccurred())
	listener, err := net.Listen("tcp", net.JoinHostPort(plane.Hostname(), "0"))
	Expect(err).NotTo(HaveOccurred())
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	DeferCleanup(server.Close)
	return server.URL
}

// scriptAsKubelet writes a shell script to use as the kubelet. It returns its URI and its digest.
func (c *cluster) scriptAsKubelet(text string) (uri, digest string) {
	GinkgoHelper()
	content := []byte("#!/bin/sh\n" + text + "\n")
	file := filepath.Join(GinkgoT().TempDir(), "kubelet")
	Expect(os.WriteFile(file, content, 0o755)).To(Succeed())
	sum := sha256.Sum256(content)
	return "file://" + file, hex.EncodeToString(sum[:])
}
