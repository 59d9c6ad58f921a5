// Package e2e runs the steps of the demo as specs, on a playground like the demo's, in each
// container runtime that this machine can run. With the label node it tests nodes of real
// containers under load, failures and bad input.
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

// driverVariable is an environment variable that makes this program serve as the volume driver
// of the node that it names.
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
		Describe("with the runtime "+string(runtime), Ordered, func() { runStory(runtime) })
	}
})

// runStory declares a spec for each step. The steps depend on one another, so the first one that
// fails ends the ordered container.
func runStory(runtime playground.Runtime) {
	runner := &storyRunner{runtime: runtime}
	BeforeAll(runner.begin)
	AfterAll(runner.end)
	for _, step := range story.New(&playground.Playground{Options: playground.Options{Runtime: runtime}}).Steps() {
		It(step.Name, func(ctx SpecContext) { runner.do(ctx, step.Name) })
	}
}

type storyRunner struct {
	runtime    playground.Runtime
	playground *playground.Playground
	steps      map[string]story.Step
}

func (t *storyRunner) begin() {
	if err := playground.RealContainers(); t.runtime == playground.RuntimeContainerd && err != nil {
		Skip(err.Error())
	}
	var err error
	t.playground, err = playground.New(playground.Options{
		Runtime:  t.runtime,
		Progress: func(line string) { GinkgoWriter.Println(line) },
	})
	Expect(err).NotTo(HaveOccurred())
	t.steps = map[string]story.Step{}
	for _, step := range story.New(t.playground).Steps() {
		t.steps[step.Name] = step
	}
}

func (t *storyRunner) do(ctx SpecContext, name string) {
	what, err := t.steps[name].Do(ctx)
	if err != nil {
		t.playground.KeepLogsAfterStop()
	}
	Expect(err).NotTo(HaveOccurred(), "the logs are kept in %s", t.playground.Logs())
	GinkgoWriter.Println(what)
}

// end stops the playground, and fails if anything is left behind.
func (t *storyRunner) end() {
	if t.playground != nil {
		Expect(t.playground.Stop()).To(Succeed())
	}
}
