package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"
)

// requests has the API server's own counts of requests by verb and resource.
type requests map[request]int

// request is one kind of request: POST, PUT, PATCH, DELETE, GET, LIST or WATCH, and
// mesosnodes or mesosnodes/status.
type request struct{ verb, resource string }

// countRequests reads the API server's own counters.
func countRequests(ctx context.Context, config *rest.Config) (requests, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(config.Host, "/")+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading the API server's metrics: %s", resp.Status)
	}
	return parseRequests(resp.Body)
}

func parseRequests(r io.Reader) (requests, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	counts := requests{}
	for _, m := range families["apiserver_request_total"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		resource := labels["resource"]
		if sub := labels["subresource"]; sub != "" {
			resource += "/" + strings.TrimPrefix(sub, "/")
		}
		// APPLY is a kind of patch on the wire.
		verb := strings.Replace(labels["verb"], "APPLY", "PATCH", 1)
		counts[request{verb, resource}] += int(m.GetCounter().GetValue())
	}
	return counts, nil
}

// since returns the requests after the earlier count.
func (r requests) since(earlier requests) requests {
	delta := requests{}
	for k, n := range r {
		if d := n - earlier[k]; d > 0 {
			delta[k] = d
		}
	}
	return delta
}

// writes returns the requests that change something, without leases, which do not depend on nodes.
func (r requests) writes() requests {
	writes := requests{}
	for k, n := range r {
		switch k.verb {
		case "POST", "PUT", "PATCH", "DELETE":
			if k.resource != "leases" {
				writes[k] = n
			}
		}
	}
	return writes
}
