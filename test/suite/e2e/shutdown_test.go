package e2e

import (
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// ending is a pool whose nodes have only pods that no drain touches: each of them says when
// it hears that it is to end, takes its time, and says that it ends.
const ending = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: ending}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: ending}}
    spec:
      resources: {cpu: 300m, memory: 640Mi}
      taints: [{key: life, value: short, effect: NoSchedule}]
`

const lastWords = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: $NAME, namespace: default}
spec:
  selector: {matchLabels: {app: $NAME}}
  template:
    metadata: {labels: {app: $NAME}}
    spec:
      nodeSelector: {size: ending}
      tolerations: [{key: life, operator: Exists}]
      priorityClassName: $PRIORITY
      containers:
      - name: main
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "trap 'echo $NAME hears >> /words/said; sleep 2; echo $NAME ends >> /words/said; exit' TERM; while :; do sleep 0.1; done"]
        volumeMounts: [{name: words, mountPath: /words}]
      volumes:
      - name: words
        hostPath: {path: $WORDS, type: DirectoryOrCreate}
`

// endsItsPods: what the drain left, above all pods of DaemonSets.
func (h *house) endsItsPods() {
	It("has its pods hear of its end, those of critical priority last", func(ctx SpecContext) {
		words := filepath.Join(h.dataFolder(), "words")
		h.MustApply(ctx, ending)
		for name, priority := range map[string]string{"ordinary": `""`, "critical": "system-node-critical"} {
			h.MustApply(ctx, strings.NewReplacer("$NAME", name, "$PRIORITY", priority, "$WORDS", words).Replace(lastWords))
		}
		node := h.AwaitNode(ctx, "ending")
		Eventually(ctx, func() string {
			return h.MustKubectl(ctx, "get", "daemonset", "ordinary", "critical", "-o", "jsonpath={.items[*].status.numberReady}")
		}).WithTimeout(time.Minute).WithPolling(500 * time.Millisecond).Should(Equal("1 1"))
		h.MustKubectl(ctx, "delete", "mesosnodepool", "ending", "--timeout=90s")
		Expect(strings.Split(strings.TrimSpace(read(filepath.Join(words, "said"))), "\n")).To(Equal(
			[]string{"ordinary hears", "ordinary ends", "critical hears", "critical ends"}))
		Expect(h.nodeFolder(node.Name)).NotTo(BeADirectory())
		h.MustKubectl(ctx, "delete", "daemonset", "ordinary", "critical", "--wait=false")
	}, SpecTimeout(4*time.Minute))
}
