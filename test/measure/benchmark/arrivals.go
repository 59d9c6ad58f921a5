package main

import (
	"context"
	"fmt"

	"github.com/k8sm/k8sm/test/measure/loads"
)

// arrivalFigures are the names of the figures that measureArrivals makes.
func arrivalFigures() []string {
	var names []string
	for _, p := range loads.All() {
		names = append(names, "arrivals_"+p.Name)
	}
	return names
}

// measureArrivals simulates an autoscaled pool under several patterns of load, in virtual time.
func measureArrivals(context.Context, options) ([]figure, error) {
	var figures []figure
	for _, p := range loads.All() {
		l, err := loads.Run(p)
		if err != nil {
			return nil, fmt.Errorf("living through %s: %w", p.Name, err)
		}
		figures = append(figures, figure{
			Name: "arrivals_" + p.Name, Value: l.Used(), Unit: "% of the nodes' cpu used",
			Beside: map[string]float64{
				"more_than_fewest_nodes_percent": l.Excess(),
				"pending_p50_s":                  l.Waited(0.5).Seconds(), "pending_p99_s": l.Waited(0.99).Seconds(),
				"nodes_made": float64(l.Created), "nodes_removed": float64(l.Removed), "churn_per_hour": l.Churn(), "pods_evicted": float64(l.Evicted),
				"hours": l.Lasted.Hours(),
			},
		})
	}
	return figures, nil
}
