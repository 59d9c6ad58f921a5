// Package integration tests the API and the controllers against a real
// kube-apiserver and a Mesos cluster in a box. There is no kubelet: a fake executor
// registers the Nodes. The end-to-end tests have real nodes.
package integration

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

var (
	scheme = runtime.NewScheme()
	ctx    = context.Background()
	// environment is the control plane, config an administrator's access to it.
	environment *envtest.Environment
	config      *rest.Config
	// strict is a client that refuses unknown fields, as kubectl does.
	strict client.Client
	// auditLog is the API server's audit log.
	auditLog string
)

const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
`

func TestIntegration(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Integration")
}

var _ = BeforeSuite(func() {
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())

	startControlPlane(filepath.Join("..", "..", "..", "config", "crd", "bases"))
})

// startControlPlane starts an API server with the CRDs in a folder, which environment, config and
// strict are then about, until the surrounding specs end.
func startControlPlane(crds string) {
	GinkgoHelper()
	outerEnvironment, outerConfig, outerClient, outerLog := environment, config, strict, auditLog
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{crds},
		ErrorIfCRDPathMissing: true,
		BinaryAssetsDirectory: controlPlane(),
	}
	auditLog = filepath.Join(GinkgoT().TempDir(), "audit.log")
	policy := filepath.Join(GinkgoT().TempDir(), "audit-policy.yaml")
	err := os.WriteFile(policy, []byte(auditPolicy), 0o600)
	Expect(err).NotTo(HaveOccurred())
	environment.ControlPlane.GetAPIServer().Configure().
		Set("enable-bootstrap-token-auth", "true").
		Set("audit-policy-file", policy).
		Set("audit-log-path", auditLog)
	started := environment
	config, err = environment.Start()
	DeferCleanup(func() {
		Expect(started.Stop()).To(Succeed())
		environment, config, strict, auditLog = outerEnvironment, outerConfig, outerClient, outerLog
	})
	Expect(err).NotTo(HaveOccurred(), "a control plane is needed: `make kube` builds it")

	plain, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	strict = client.WithFieldValidation(plain, "Strict")
}

// controlPlane returns the folder with kube-apiserver, etcd and kubectl for envtest.
func controlPlane() string {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "bin", "kube")
}
