package integration

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// kubeletDigest returns the digest of the kubelet of a version, for agents of arm64.
func kubeletDigest(version string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(version))) }

// catalogueEntry returns a version of an operator's file, complete for two architectures.
func catalogueEntry(version string) string {
	text := "- name: " + version + "\n  artifacts:\n"
	for name, digests := range map[string][2]string{"executor": {digest, digest}, "kubelet": {digest, kubeletDigest(version)}} {
		text += fmt.Sprintf("  - {name: %s, architecture: amd64, uri: file:///opt/amd64/%[1]s, sha256: %s}\n", name, digests[0])
		text += fmt.Sprintf("  - {name: %s, architecture: arm64, uri: file:///opt/arm64/%[1]s, sha256: %s}\n", name, digests[1])
	}
	return text
}

var _ = Describe("The operator's catalogue of runtimes", func() {
	It("is read anew as a whole or not at all, and refuses what is unknown or does not fit the API server", func() {
		file := filepath.Join(GinkgoT().TempDir(), "node-runtime.yaml")
		write := func(versions ...string) {
			GinkgoHelper()
			text := "containerRuntime: none\ndefaultVersion: v1.36.4\nversions:\n"
			for _, v := range versions {
				text += v
			}
			Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
		}
		write(catalogueEntry("v1.36.4"))
		operator := startProcess(buildOperator(), operatorKubeconfig(), "--node-runtime="+file, "--metrics-secure=false")
		expectMetric := func(line string) {
			GinkgoHelper()
			Eventually(operator.get(operator.metrics, "/metrics")).WithTimeout(timeout).Should(ContainSubstring("\n" + line + "\n"))
		}
		expectKubelet := func(pool, version string) {
			GinkgoHelper()
			for _, n := range nodesOf(pool) {
				launched, _ := launchedKubelets.Load(n.Name)
				Expect(launched).To(Equal(kubeletDigest(version)), n.Name)
			}
		}
		master := newMaster(mesostest.MasterOptions{}, 3)
		newFramework("catalogue", master.Addr())
		chooses := func(version string) edit { return edit{"spec template spec runtime", "{version: " + version + "}"} }

		By("the default version being what a pool gets that chooses none")
		stable := newPool("catalogue-stable", "catalogue", edit{"spec replicas", "1"})
		expectCondition(stable, v1alpha1.ConditionReady, "True AllNodesReady")
		expectKubelet(stable.Name, "v1.36.4")
		running := nodesOf(stable.Name)[0].Status.Task.ID

		By("a version that is not there being refused")
		next := newPool("catalogue-next", "catalogue", edit{"spec replicas", "1"}, chooses("v1.37.2"))
		expectCondition(next, v1alpha1.ConditionTemplateValid, "False RuntimeVersionUnknown", `is "v1.37.2"`, "has v1.36.4")
		expectMetric("k8sm_node_runtime_last_reload_successful 1")

		By("a file with a version that is not complete being refused as a whole")
		write(catalogueEntry("v1.36.4"), catalogueEntry("v1.37.2"), "- {name: v1.37.3}\n")
		expectCondition(next, v1alpha1.ConditionTemplateValid, "False RuntimeVersionUnknown", "has v1.36.4. The file has changed since and is not used", `"v1.37.3": it is not complete`)
		expectMetric("k8sm_node_runtime_last_reload_successful 0")
		Consistently(func() int { return len(nodesOf(next.Name)) }).WithTimeout(2 * time.Second).Should(BeZero())

		By("the file being corrected")
		write(catalogueEntry("v1.36.4"), catalogueEntry("v1.37.2"), catalogueEntry("v1.38.0"))
		expectCondition(next, v1alpha1.ConditionReady, "True AllNodesReady")
		expectKubelet(next.Name, "v1.37.2")
		expectMetric("k8sm_node_runtime_last_reload_successful 1")

		By("a kubelet that is newer than the API server being refused")
		newer := newPool("catalogue-newer", "catalogue", edit{"spec replicas", "1"}, chooses("v1.38.0"))
		expectCondition(newer, v1alpha1.ConditionTemplateValid, "False KubeletVersionSkew", "of Kubernetes v1.38, and the API server is of v1.37")
		Expect(nodesOf(newer.Name)).To(BeEmpty())
		Expect(nodesOf(stable.Name)[0].Status.Task.ID).To(Equal(running), "nodes that run are left alone")
	})
})

var _ = Describe("Artifacts that were applied before they had architectures", Ordered, func() {
	apply := func(manager string, artifacts ...string) {
		GinkgoHelper()
		pool := sample("mesosnodepool.yaml", edit{"metadata name", "applied"}, edit{"spec template spec runtime", "{artifacts: [" + strings.Join(artifacts, ", ") + "]}"})
		Expect(strict.Apply(ctx, client.ApplyConfigurationFromUnstructured(pool), client.FieldOwner(manager))).To(Succeed())
	}
	artifact := func(name, uri string) string {
		return "{name: " + name + ", uri: 'file:///" + uri + "', sha256: " + digest + "}"
	}
	uris := func() (out []string) {
		GinkgoHelper()
		pool := &v1alpha1.MesosNodePool{}
		Expect(strict.Get(ctx, client.ObjectKey{Name: "applied"}, pool)).To(Succeed())
		for _, a := range pool.Spec.Template.Spec.Runtime.Artifacts {
			out = append(out, a.Name+string(a.Architecture)+" "+a.URI)
		}
		return out
	}
	BeforeAll(func() {
		startControlPlane(filepath.Join("testdata", "upgrade", "crds"))
		apply("somebody", artifact("kubelet", "a"), artifact("tool", "b"))
		_, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: []string{filepath.Join("..", "..", "..", "config", "crd", "bases")}})
		Expect(err).NotTo(HaveOccurred())
		// The API server uses another schema a moment later.
		document, err := yaml.Marshal(sample("mesosnodepool.yaml", edit{"spec template spec runtime", "{version: v1.37.2}"}).Object)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() error {
			_, err := create(string(document))
			return err
		}).WithTimeout(timeout).Should(Succeed())
	})

	It("are the same when they are applied again, and can be changed and removed then", func() {
		Expect(uris()).To(Equal([]string{"kubelet file:///a", "tool file:///b"}))
		// The first apply notes who owns artifacts by their new key, and can change but not remove any.
		apply("somebody", artifact("kubelet", "a"), artifact("tool", "e"))
		Expect(uris()).To(Equal([]string{"kubelet file:///a", "tool file:///e"}))
		apply("somebody", artifact("kubelet", "c"))
		Expect(uris()).To(Equal([]string{"kubelet file:///c"}))
		apply("somebody", artifact("kubelet", "c"), "{name: kubelet, architecture: arm64, uri: 'file:///d', sha256: "+digest+"}")
		Expect(uris()).To(ConsistOf("kubelet file:///c", "kubeletarm64 file:///d"))
		apply("somebody")
		Expect(uris()).To(BeEmpty())
	})
})
