package integration

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

var _ = Describe("kubectl apply", func() {
	It("accepts all manifests in config/, and the samples", func() {
		admin, err := environment.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
		Expect(err).NotTo(HaveOccurred())
		kubectl, err := admin.Kubectl()
		Expect(err).NotTo(HaveOccurred())
		config := filepath.Join("..", "..", "..", "config")
		for _, arguments := range [][]string{
			{"-k", filepath.Join(config, "default"), "--server-side", "--force-conflicts"},
			{"-f", filepath.Join(config, "samples"), "--dry-run=server"},
			{"-k", filepath.Join(config, "policies", "host-network"), "--dry-run=server"},
		} {
			_, errors, err := kubectl.Run(append([]string{"apply"}, arguments...)...)
			var complaint []byte
			if errors != nil {
				complaint = make([]byte, 4096)
				n, _ := errors.Read(complaint)
				complaint = complaint[:n]
			}
			Expect(err).NotTo(HaveOccurred(), string(complaint))
		}
	})
})
