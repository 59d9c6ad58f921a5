// Command benchmark measures the figures of the project, and prints one JSON line for each: its
// name, value and unit, the goal, and what was measured beside it in the same run. `make bench`
// runs it.
//
// Machines are shared and noisy, so compare only figures of one run. Nothing here passes or
// fails.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// figure is one line of output.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Goal in words, if there is one.
	Goal string `json:"goal,omitempty"`
	// Beside holds what was measured in the same run, to compare with.
	Beside map[string]float64 `json:"beside,omitempty"`
	// Note explains how to read the figure.
	Note string `json:"note,omitempty"`
}

// measurement makes some figures together, because they share an expensive setup.
type measurement struct {
	figures []string
	run     func(context.Context, options) ([]figure, error)
}

// options are set by flags.
type options struct {
	nodes  int
	rest   int
	assets string
}

var measurements = []measurement{
	{[]string{"plan_5000x10000"}, measurePlan},
	{[]string{"consolidate_2000_to_800"}, measureConsolidation},
	{[]string{"loop_1000x30", "loop_5000x30"}, measureLoop},
	{[]string{"simulate_1000_pods", "simulate_5000_pods", "simulate_10000_pods", "simulate_20000_pods"}, measureDiverse},
	{[]string{"simulate_50000_like_pods"}, measureAlike},
	{arrivalFigures(), measureArrivals},
	{[]string{"pending_to_accept"}, measurePending},
	{[]string{"operator_rss_5000_nodes_50000_pods"}, measureManyPods},
	{[]string{"offers_10000_in_one_event", "updates_10000_in_a_burst"}, measureStream},
	{[]string{"restart_10000_tasks"}, measureRestart},
	{[]string{"at_rest_10000_agents_5000_nodes"}, measureRest},
	{[]string{"apply_to_ready_1000_nodes", "operator_rss_1000_nodes", "operator_calls_at_rest_per_minute"}, measureScale},
	{[]string{"drain_200_nodes"}, measureDrain},
	{[]string{"accept_to_ready_cold", "accept_to_ready_cached", "executor_rss", "sweep_dirty_agent"}, measureRealNode},
	{[]string{"fifty_nodes_one_machine"}, measureFiftyNodes},
}

func main() {
	var o options
	only := flag.String("run", "", "measure only the figures whose names match this regular expression")
	flag.IntVar(&o.nodes, "nodes", 1000, "nodes of the pool in the figures for 1,000 nodes, and a fifth of the nodes in the one for 5,000")
	flag.IntVar(&o.rest, "rest", 60, "seconds for which what happens at rest is measured")
	flag.StringVar(&o.assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "folder of kube-apiserver and etcd")
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, o options) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("reading -run: %w", err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, m := range measurements {
		if !anyMatch(pattern, m.figures) {
			continue
		}
		figures, err := m.run(ctx, o)
		if err != nil {
			return fmt.Errorf("measuring %v: %w", m.figures, err)
		}
		for _, f := range figures {
			if err := out.Encode(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func anyMatch(pattern *regexp.Regexp, names []string) bool {
	for _, n := range names {
		if pattern.MatchString(n) {
			return true
		}
	}
	return false
}
