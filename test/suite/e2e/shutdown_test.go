package e2e

import (
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// endingPool is a pool whose nodes only run pods of DaemonSets, which no drain evicts. Each pod
// logs SIGTERM, waits, and logs its end.
const endingPool = `
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

const shutdownDaemonSet = `
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
        command: [sh, -c, "trap 'echo $NAME received SIGTERM >> /log/lines; sleep 2; echo $NAME ends >> /log/lines; exit' TERM; while :; do sleep 0.1; done"]
        volumeMounts: [{name: log, mountPath: /log}]
      volumes:
      - name: log
        hostPath: {path: $LOG, type: DirectoryOrCreate}
`

// specShutdown checks the end of the pods that are left after a drain, which are mostly those of
// DaemonSets.
func (c *cluster) specShutdown() {
	It("sends SIGTERM to its pods before it ends, and to pods of critical priority last", func(ctx SpecContext) {
		log := filepath.Join(c.dataFolder(), "log")
		c.MustApply(ctx, endingPool)
		for name, priority := range map[string]string{"ordinary": `""`, "critical": "system-node-critical"} {
			c.MustApply(ctx, strings.NewReplacer("$NAME", name, "$PRIORITY", priority, "$LOG", log).Replace(shutdownDaemonSet))
		}
		node := c.AwaitNode(ctx, "ending")
		Eventually(ctx, func() string {
			return c.MustKubectl(ctx, "get", "daemonset", "ordinary", "critical", "-o", "jsonpath={.items[*].status.numberReady}")
		}).WithTimeout(time.Minute).WithPolling(500 * time.Millisecond).Should(Equal("1 1"))
		c.MustKubectl(ctx, "delete", "mesosnodepool", "ending", "--timeout=90s")
		Expect(strings.Split(strings.TrimSpace(read(filepath.Join(log, "lines"))), "\n")).To(Equal(
			[]string{"ordinary received SIGTERM", "ordinary ends", "critical received SIGTERM", "critical ends"}))
		Expect(c.nodeFolder(node.Name)).NotTo(BeADirectory())
		c.MustKubectl(ctx, "delete", "daemonset", "ordinary", "critical", "--wait=false")
	}, SpecTimeout(4*time.Minute))
}
