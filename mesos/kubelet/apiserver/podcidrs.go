package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"net/url"
)

// PodCIDRs returns the ranges of addresses that the cluster gave the Node for its pods. There
// are none before it did, and none ever where the network does without.
func (c Client) PodCIDRs(ctx context.Context) ([]netip.Prefix, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	body, err := c.get(ctx, "/api/v1/nodes/"+url.PathEscape(c.NodeName))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return parsePodCIDRs(io.LimitReader(body, maxNode))
}

func parsePodCIDRs(body io.Reader) ([]netip.Prefix, error) {
	var node struct{ Spec struct{ PodCIDRs []string } }
	if err := json.NewDecoder(body).Decode(&node); err != nil {
		return nil, fmt.Errorf("reading the node: %w", err)
	}
	var all []netip.Prefix
	for _, text := range node.Spec.PodCIDRs {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("reading the node's podCIDRs: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}
