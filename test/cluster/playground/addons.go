package playground

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"strings"

	"k8s.io/client-go/kubernetes"
)

// kubeletClient is the user name of the API server in its requests to kubelets.
const kubeletClient = "kube-apiserver-kubelet-client"

//go:embed kubelet-client.yaml
var kubeletClientManifest string

//go:embed kube-proxy.yaml
var kubeProxyManifest string

// applyClusterAddons installs the add-ons that a cluster has before its first node: the API
// server's right to call kubelets, kube-proxy, and routes for pods.
func (p *Playground) applyClusterAddons(ctx context.Context) error {
	if _, err := p.Apply(ctx, kubeletClientManifest); err != nil {
		return fmt.Errorf("letting the API server ask kubelets: %w", err)
	}
	if p.network == nil {
		return nil
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(p.controlPlane.url(), "https://"))
	if err != nil {
		return fmt.Errorf("splitting API server's address: %w", err)
	}
	manifest := strings.NewReplacer(
		"$IMAGE", ImageBusybox, "$KUBE", p.kube("kube"), "$HOST", host, "$PORT", port, "$PODS", p.network.pods(),
	).Replace(kubeProxyManifest)
	if _, err := p.Apply(ctx, manifest); err != nil {
		return fmt.Errorf("installing kube-proxy: %w", err)
	}
	client, err := kubernetes.NewForConfig(p.Config)
	if err != nil {
		return fmt.Errorf("making client: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.routes = startRoutes(ctx, p.network, client)
	p.onStop("stopping routes", func(context.Context) error {
		cancel()
		<-p.routes.done
		return nil
	})
	return nil
}
