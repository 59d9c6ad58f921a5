package integration

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

var _ = Describe("kubectl apply", func() {
	It("takes all that config/ installs, and the samples", func() {
		admin, err := environment.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
		Expect(err).NotTo(HaveOccurred())
		kubectl, err := admin.Kubectl()
		Expect(err).NotTo(HaveOccurred())
		config := filepath.Join("..", "..", "..", "config")
		for _, arguments := range [][]string{
			{"-k", filepath.Join(config, "default"), "--server-side", "--force-conflicts"},
			{"-f", filepath.Join(config, "samples"), "--dry-run=server"},
		} {
			_, errors, err := kubectl.Run(append([]string{"apply"}, arguments...)...)
			var said []byte
			if errors != nil {
				said = make([]byte, 4096)
				n, _ := errors.Read(said)
				said = said[:n]
			}
			Expect(err).NotTo(HaveOccurred(), string(said))
		}
	})
})
