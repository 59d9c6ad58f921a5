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

// show is a playground, and the story told on it.
type show struct {
	playground *playground.Playground
	story      *story.Story
	outcomes   []story.Outcome
}

// perform builds the playground, lets a command use it, and removes it whatever
// happened. It returns the exit code.
func perform(ctx context.Context, options playground.Options, command func(context.Context, *show) error) int {
	options.Say = func(line string) { fmt.Println(line) }
	p, err := playground.New(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return exitFailed
	}
	introduce(p)
	s := &show{playground: p, story: story.New(p)}
	failed := command(ctx, s)
	if failed != nil {
		p.Failed()
	}
	start := time.Now()
	fmt.Println("→ Remove all of it")
	left := p.Stop()
	s.outcomes = append(s.outcomes, story.Outcome{
		Step: "Remove all of it", What: "no process, mount, namespace, cgroup, interface or file is left", Duration: time.Since(start), Err: left,
	})
	return s.report(ctx, errors.Join(failed, left))
}

func introduce(p *playground.Playground) {
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

// report prints the table and, after a failure, all of it and where the logs are.
func (s *show) report(ctx context.Context, err error) int {
	fmt.Print("\n", story.Table(s.outcomes), "\n")
	for _, left := range s.story.LeftOut() {
		fmt.Println("Left out:", left)
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

// tell runs the steps one after the other, until one fails.
func (s *show) tell(ctx context.Context, steps []story.Step) error {
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

func demo(ctx context.Context, s *show) error { return s.tell(ctx, s.story.Steps()) }

// up leaves the cluster to its user until Ctrl-C, which is how it should end.
func up(ctx context.Context, s *show) error {
	if err := s.tell(ctx, s.story.Opening()); err != nil {
		return err
	}
	s.invite()
	<-ctx.Done()
	fmt.Println()
	return nil
}

func (s *show) invite() {
	kubectl := s.playground.KubectlPath()
	fmt.Printf(`
It runs. In another shell:

  export KUBECONFIG=%s
  alias kubectl=%s

Try, for example:

  kubectl get mesosnodes,nodes -o wide                          # nodes, and the agents that they are on
  kubectl scale mesosnodepool/%s --replicas=5 && kubectl get mesosnodes -w
  kubectl run hello --image=%s --image-pull-policy=IfNotPresent --attach --rm -- echo hello from Mesos

Logs are in %s. Ctrl-C removes all of it.
`, s.playground.Kubeconfig, kubectl, s.story.Pool(), playground.ImageBusybox, s.playground.Logs())
}
