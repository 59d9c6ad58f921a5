package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"
)

// criticalPriority is the lowest priority of pods that others on the node depend on, as
// Kubernetes defines it: pods for networks or logs, for example.
const criticalPriority = 2_000_000_000

// podsWithin bounds the question for pods: it is asked while they wait for their end.
const podsWithin = time.Second

// CriticalPods returns the UIDs of the node's critical pods, as the API server knows them.
func (c Client) CriticalPods(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, podsWithin)
	defer cancel()
	body, err := c.get(ctx, "/api/v1/pods?fieldSelector="+url.QueryEscape("spec.nodeName="+c.NodeName))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return parseCritical(io.LimitReader(body, maxPods))
}

func parseCritical(body io.Reader) (map[string]bool, error) {
	var pods struct {
		Items []struct {
			Metadata struct {
				UID         string
				Annotations map[string]string
			}
			Spec struct{ Priority int32 }
		}
	}
	if err := json.NewDecoder(body).Decode(&pods); err != nil {
		return nil, fmt.Errorf("reading the node's pods: %w", err)
	}
	critical := map[string]bool{}
	for _, p := range pods.Items {
		if p.Spec.Priority < criticalPriority {
			continue
		}
		critical[p.Metadata.UID] = true
		// A static pod runs under a UID that its mirror in the API only mentions.
		if static := p.Metadata.Annotations["kubernetes.io/config.hash"]; static != "" {
			critical[static] = true
		}
	}
	return critical, nil
}
