// Package e2e asserts the demo's story: the same steps, on the same playground, in
// each container runtime that this machine can run.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/k8sm/k8sm/test/cluster/playground"
	"github.com/k8sm/k8sm/test/cluster/story"
	"github.com/k8sm/k8sm/test/cluster/volumedriver"
)

// driverVariable in the environment has this program be the driver of a node's volumes.
const driverVariable = "K8SM_VOLUME_DRIVER_OF"

func TestMain(m *testing.M) {
	if node := os.Getenv(driverVariable); node != "" {
		fmt.Fprintln(os.Stderr, volumedriver.Serve(context.Background(), node))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "End to end")
}

var _ = Describe("From an empty Mesos cluster to pods and back", func() {
	for _, runtime := range []playground.Runtime{playground.RuntimeContainerd, playground.RuntimeFake} {
		Describe("with the runtime "+string(runtime), Ordered, func() { tell(runtime) })
	}
})

// tell makes a spec of each step. The steps depend on one another, so the first
// that fails ends the container.
func tell(runtime playground.Runtime) {
	teller := &teller{runtime: runtime}
	BeforeAll(teller.begin)
	AfterAll(teller.end)
	for _, step := range story.New(&playground.Playground{Options: playground.Options{Runtime: runtime}}).Steps() {
		It(step.Name, func(ctx SpecContext) { teller.do(ctx, step.Name) })
	}
}

type teller struct {
	runtime    playground.Runtime
	playground *playground.Playground
	steps      map[string]story.Step
}

func (t *teller) begin() {
	if err := playground.RealContainers(); t.runtime == playground.RuntimeContainerd && err != nil {
		Skip(err.Error())
	}
	var err error
	t.playground, err = playground.New(playground.Options{
		Runtime: t.runtime,
		Say:     func(line string) { GinkgoWriter.Println(line) },
	})
	Expect(err).NotTo(HaveOccurred())
	t.steps = map[string]story.Step{}
	for _, step := range story.New(t.playground).Steps() {
		t.steps[step.Name] = step
	}
}

func (t *teller) do(ctx SpecContext, name string) {
	what, err := t.steps[name].Do(ctx)
	if err != nil {
		t.playground.Failed()
	}
	Expect(err).NotTo(HaveOccurred(), "the logs are kept in %s", t.playground.Logs())
	GinkgoWriter.Println(what)
}

// end removes the playground, and fails if anything of it stays.
func (t *teller) end() {
	if t.playground != nil {
		Expect(t.playground.Stop()).To(Succeed())
	}
}
