package playground

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Namespace and service account of the operator in its manifests.
const (
	operatorNamespace = "k8sm-system"
	operatorAccount   = "k8sm-operator"
)

// StartOperator installs the product as its users do, CRDs, RBAC and policies from
// config/, and starts the operator's binary with a token of the service account that it
// ships with.
func (p *Playground) StartOperator(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.install(ctx); err != nil {
		return err
	}
	token, err := p.Kubectl(ctx, "create", "token", operatorAccount, "--namespace="+operatorNamespace, "--duration=24h")
	if err != nil {
		return fmt.Errorf("getting the operator's token: %w", err)
	}
	kubeconfig, err := p.controlPlane.writeKubeconfig("operator", login{token: strings.TrimSpace(token)})
	if err != nil {
		return err
	}
	runtimeFile, err := p.writeNodeRuntime(ctx)
	if err != nil {
		return err
	}
	ports, err := freePorts("127.0.0.1", 2)
	if err != nil {
		return err
	}
	p.operator, err = p.dir.spawn(command{name: "operator", path: p.bin("operator"), args: []string{
		"--kubeconfig=" + kubeconfig,
		"--namespace=" + operatorNamespace,
		"--node-runtime=" + runtimeFile,
		"--node-api-server=" + p.nodeAPIServer(),
		"--node-state-dir=" + p.StateDir(),
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", ports[0]),
		fmt.Sprintf("--health-probe-bind-address=127.0.0.1:%d", ports[1]),
		"--leader-elect",
	}})
	if err != nil {
		return err
	}
	p.onStop("stopping operator", func(context.Context) error { p.operator.stop(10 * time.Second); return nil })
	return p.operator.await(ctx, func(ctx context.Context) error {
		return ready(ctx, http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[1]))
	})
}

func (p *Playground) install(ctx context.Context) error {
	config := filepath.Join(p.Root, "config")
	for _, part := range [][]string{
		{"-f", filepath.Join(config, "manager", "namespace.yaml")}, {"-k", filepath.Join(config, "crd")}, {"-k", filepath.Join(config, "rbac")}, {"-k", filepath.Join(config, "rbac", "autoscaling")},
		{"-k", filepath.Join(config, "policies")}, {"-k", filepath.Join(config, "policies", "certificate-lifetime")},
	} {
		if _, err := p.Kubectl(ctx, append([]string{"apply", "--server-side"}, part...)...); err != nil {
			return fmt.Errorf("installing: %w", err)
		}
	}
	_, err := p.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=30s", "crd",
		"mesosframeworks.k8sm.io", "mesosnodepools.k8sm.io", "mesosnodes.k8sm.io")
	if err != nil {
		return fmt.Errorf("waiting for the API: %w", err)
	}
	return nil
}

// Sample is one of the shipped samples, with the address of this playground's
// master put in the place of the one in the file.
func (p *Playground) Sample(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(p.Root, "config", "samples", name))
	if err != nil {
		return "", fmt.Errorf("reading sample: %w", err)
	}
	return strings.ReplaceAll(string(data), "leader.mesos:5050", p.masterAddress()), nil
}
