package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/k8sm/k8sm/test/cluster/playground"
	"github.com/k8sm/k8sm/test/cluster/story"
)

// session is a playground and the story that runs on it.
type session struct {
	playground *playground.Playground
	story      *story.Story
	outcomes   []story.Outcome
}

// runCommand builds the playground, runs a command on it, and removes it in any case. It returns
// the exit code.
func runCommand(ctx context.Context, options playground.Options, command func(context.Context, *session) error) int {
	options.Progress = func(line string) { fmt.Println(line) }
	p, err := playground.New(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return exitFailed
	}
	printRuntime(p)
	s := &session{playground: p, story: story.New(p)}
	failed := command(ctx, s)
	if failed != nil {
		p.KeepLogsAfterStop()
	}
	start := time.Now()
	fmt.Println("→ Remove everything")
	left := p.Stop()
	s.outcomes = append(s.outcomes, story.Outcome{
		Step: "Remove everything", What: "no process, mount, namespace, cgroup, interface or file is left", Duration: time.Since(start), Err: left,
	})
	return s.report(ctx, errors.Join(failed, left))
}

func printRuntime(p *playground.Playground) {
	if p.Runtime == playground.RuntimeContainerd {
		fmt.Printf("Kubernetes, Mesos with %d agents (each a host with its own address), kubelets and containers: all real.\n", p.Agents)
		return
	}
	fmt.Printf("Kubernetes and Mesos with %d agents are real; the kubelets run over a fake container runtime", p.Agents)
	if err := playground.RealContainers(); err != nil {
		fmt.Printf(", because %v", err)
	}
	fmt.Println(".")
}

// report prints the table and, after a failure, the whole error and where the logs are.
func (s *session) report(ctx context.Context, err error) int {
	fmt.Print("\n", story.Table(s.outcomes), "\n")
	for _, skipped := range s.story.SkippedSteps() {
		fmt.Println("Skipped:", skipped)
	}
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "Interrupted.")
	} else {
		fmt.Fprintln(os.Stderr, "Error:", err)
	}
	if s.playground.LogsKept() {
		fmt.Fprintln(os.Stderr, "The logs are kept in", s.playground.Logs())
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return exitFailed
}

// runSteps runs the steps in order until one fails.
func (s *session) runSteps(ctx context.Context, steps []story.Step) error {
	var failed error
	for i, step := range steps {
		if failed != nil {
			s.outcomes = append(s.outcomes, story.Outcome{Step: step.Name, Skipped: true})
			continue
		}
		fmt.Printf("→ %d/%d %s …\n", i+1, len(steps), step.Name)
		start := time.Now()
		what, err := step.Do(ctx)
		outcome := story.Outcome{Step: step.Name, What: what, Duration: time.Since(start), Err: err}
		s.outcomes = append(s.outcomes, outcome)
		if err != nil {
			failed = fmt.Errorf("%s: %w", step.Name, err)
			fmt.Printf("  failed after %.1fs\n", outcome.Duration.Seconds())
			continue
		}
		fmt.Printf("  %s (%.1fs)\n", what, outcome.Duration.Seconds())
	}
	return failed
}

func demo(ctx context.Context, s *session) error { return s.runSteps(ctx, s.story.Steps()) }

// up leaves the cluster running until Ctrl-C, which is its normal end.
func up(ctx context.Context, s *session) error {
	if err := s.runSteps(ctx, s.story.SetupSteps()); err != nil {
		return err
	}
	s.printHints()
	<-ctx.Done()
	fmt.Println()
	return nil
}

func (s *session) printHints() {
	kubectl := s.playground.KubectlPath()
	fmt.Printf(`
The cluster is running. In another shell:

  export KUBECONFIG=%s
  alias kubectl=%s

Try, for example:

  kubectl get mesosnodes,nodes -o wide                          # nodes, and the agents that they are on
  kubectl scale mesosnodepool/%s --replicas=5 && kubectl get mesosnodes -w
  kubectl run hello --image=%s --image-pull-policy=IfNotPresent --attach --rm -- echo hello from Mesos

Logs are in %s. Ctrl-C removes everything.
`, s.playground.Kubeconfig, kubectl, s.story.Pool(), playground.ImageBusybox, s.playground.Logs())
}
