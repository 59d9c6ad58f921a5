package playground

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// KubectlPath returns the path of kubectl.
func (p *Playground) KubectlPath() string { return p.kube("kubectl") }

// Kubectl runs kubectl as the administrator and returns what it prints.
func (p *Playground) Kubectl(ctx context.Context, args ...string) (string, error) {
	return p.kubectl(ctx, "", args...)
}

// Apply runs kubectl apply with a manifest.
func (p *Playground) Apply(ctx context.Context, manifest string) (string, error) {
	return p.kubectl(ctx, manifest, "apply", "-f", "-")
}

func (p *Playground) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.kube("kubectl"), args...)
	cmd.Env = append(environment(), "KUBECONFIG="+p.Kubeconfig, "KUBECACHEDIR="+p.dir.file("tmp", "kubectl"), "HOME="+p.dir.path)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("running kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
