package story

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// Step is one action that must succeed. Steps run in order.
type Step struct {
	Name string
	// Run returns a short description of what happened.
	Run func(ctx context.Context) (string, error)
	// Timeout is the maximum time of the step.
	Timeout time.Duration
	// Containers is set if the step needs real containers.
	Containers bool
}

// Do runs the step within its timeout.
func (s Step) Do(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	return s.Run(ctx)
}

// Story holds the state of the steps on one playground.
type Story struct {
	playground *playground.Playground
	client     client.Client
	// pool and framework are the names in the samples, replicas those of the pool.
	pool      string
	framework string
	replicas  int
}

// New returns a story on a playground that is not yet started: the first steps start it.
func New(p *playground.Playground) *Story { return &Story{playground: p} }

// Pool returns the name of the pool, once it was created.
func (s *Story) Pool() string { return s.pool }

// SetupSteps returns the steps that build the cluster and its first nodes.
func (s *Story) SetupSteps() []Step {
	return []Step{
		{Name: "Start a Kubernetes control plane", Timeout: 3 * time.Minute, Run: s.startControlPlane},
		{Name: "Start a Mesos cluster", Timeout: time.Minute, Run: s.startMesos},
		{Name: "Install k8sm with its own RBAC", Timeout: 2 * time.Minute, Run: s.startOperator},
		{Name: "Register a framework and ask for nodes", Timeout: 4 * time.Minute, Run: s.askForNodes},
	}
}

// Steps returns the steps that the playground's runtime can do.
func (s *Story) Steps() []Step {
	return s.supported(append(s.SetupSteps(), []Step{
		{Name: "See what pods can use of each node", Timeout: time.Minute, Run: s.checkAllocatable},
		{Name: "Run pods", Timeout: 2 * time.Minute, Run: s.runPods},
		{Name: "Reach them through a Service, from a pod", Timeout: time.Minute, Run: s.reachService, Containers: true},
		{Name: "Read logs, and run a command in a pod", Timeout: time.Minute, Run: s.readLogs, Containers: true},
		{Name: "Scale the pool to five", Timeout: 4 * time.Minute, Run: s.scaleOut},
		{Name: "Scale the pool back to two", Timeout: 4 * time.Minute, Run: s.scaleIn},
		{Name: "Use what was released, as another framework", Timeout: 2 * time.Minute, Run: s.shareResources},
		{Name: "Delete the pool and the framework", Timeout: 4 * time.Minute, Run: s.deleteAll},
		{Name: "Look at the agents for leftovers", Timeout: time.Minute, Run: s.checkLeftovers},
	}...))
}

// SkippedSteps describes the steps that the playground's runtime cannot do.
func (s *Story) SkippedSteps() []string {
	if s.playground.Runtime == playground.RuntimeContainerd {
		return nil
	}
	return []string{"Services, logs and exec: a fake runtime has no containers"}
}

func (s *Story) supported(steps []Step) []Step {
	var kept []Step
	for _, step := range steps {
		if !step.Containers || s.playground.Runtime == playground.RuntimeContainerd {
			kept = append(kept, step)
		}
	}
	return kept
}

func (s *Story) startControlPlane(ctx context.Context) (string, error) {
	if err := s.playground.StartControlPlane(ctx); err != nil {
		return "", err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return "", fmt.Errorf("making scheme: %w", err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return "", fmt.Errorf("making scheme: %w", err)
	}
	// No discovery: our own kinds are installed later.
	var err error
	s.client, err = client.New(s.playground.Config, client.Options{Scheme: scheme})
	if err != nil {
		return "", fmt.Errorf("making client: %w", err)
	}
	return "etcd, API server, controller manager and scheduler at " + s.playground.Config.Host, nil
}

func (s *Story) startMesos(ctx context.Context) (string, error) {
	if err := s.playground.StartMesos(ctx); err != nil {
		return "", err
	}
	agents, err := s.playground.AgentViews(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("master at %s with %d agents of %g cpus", s.playground.Master.Addr(), len(agents), agents[0].TotalCPUs), nil
}

func (s *Story) startOperator(ctx context.Context) (string, error) {
	if err := s.playground.StartOperator(ctx); err != nil {
		return "", err
	}
	return "CRDs and RBAC from config/, the operator under its own service account", nil
}

// wait waits until check returns nil.
func wait(ctx context.Context, check func(context.Context) error) error {
	return playground.Await(ctx, 500*time.Millisecond, check)
}
