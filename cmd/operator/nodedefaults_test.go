package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestNodeDefaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := map[string]struct {
		arguments []string
		access    rest.Config
		want      nodetemplate.NodeDefaults
		err       string
	}{
		"defaults come from the operator's own access": {
			access: rest.Config{Host: "https://10.96.0.1:443", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("its own")}},
			want: nodetemplate.NodeDefaults{APIServer: "https://10.96.0.1:443",
				CAData: []byte("its own"), ClusterDomain: "cluster.local", StateDir: "/var/lib/k8sm", Network: nodeapi.Network{DenyAgent: true}},
		},
		"the authority comes from the file of the service account": {
			access: rest.Config{Host: "https://10.96.0.1:443", TLSClientConfig: rest.TLSClientConfig{CAFile: write("sa.crt", "from a file")}},
			want: nodetemplate.NodeDefaults{APIServer: "https://10.96.0.1:443",
				CAData: []byte("from a file"), ClusterDomain: "cluster.local", StateDir: "/var/lib/k8sm", Network: nodeapi.Network{DenyAgent: true}},
		},
		"flags override the defaults": {
			arguments: []string{"--node-api-server=https://k8s.example:6443", "--node-api-server-ca=" + write("ca.crt", "theirs"),
				"--cluster-dns=10.96.0.10, fd00::a", "--cluster-domain=example.org", "--node-state-dir=/srv/k8sm",
				"--node-deny-mesos=false", "--node-deny-cidrs=10.0.0.0/8, 10.1.0.0/16:5051", "--cluster-cidr=10.244.0.0/16"},
			access: rest.Config{Host: "https://10.96.0.1:443", TLSClientConfig: rest.TLSClientConfig{CAData: []byte("its own")}},
			want: nodetemplate.NodeDefaults{APIServer: "https://k8s.example:6443", CAData: []byte("theirs"),
				ClusterDNS: []string{"10.96.0.10", "fd00::a"}, ClusterDomain: "example.org", StateDir: "/srv/k8sm",
				Network: nodeapi.Network{DenyAlso: []string{"10.0.0.0/8", "10.1.0.0/16:5051"}, ClusterCIDRs: []string{"10.244.0.0/16"}}},
		},
		"a missing authority file": {
			arguments: []string{"--node-api-server-ca=" + filepath.Join(dir, "none.crt")}, err: "reading the API server's authority",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := parsed(t, test.arguments...)
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.nodeDefaults(&test.access)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("node defaults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenCatalogue(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	artifact := "{name: executor, uri: 'file:///e', sha256: " + digest + "}"
	for name, test := range map[string]struct {
		arguments []string
		want      nodetemplate.Runtime
		err       string
	}{
		"no file": {want: nodetemplate.Runtime{ContainerRuntime: "containerd"}},
		"a file": {
			arguments: []string{"--node-runtime=" + write("runtime.yaml", "containerRuntime: none\nartifacts: ["+artifact+"]\n")},
			want:      nodetemplate.Runtime{ContainerRuntime: "none", Artifacts: []v1alpha1.Artifact{{Name: "executor", Type: "Binary", URI: "file:///e", SHA256: digest}}},
		},
		"a missing file": {arguments: []string{"--node-runtime=" + filepath.Join(dir, "none.yaml")}, err: "opening --node-runtime: open "},
		"an invalid file": {
			arguments: []string{"--node-runtime=" + write("bad.yaml", "artefacts: []")}, err: `unknown field "artefacts"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := parsed(t, test.arguments...)
			if err != nil {
				t.Fatal(err)
			}
			runtimes, err := o.openCatalogue(&rest.Config{Host: "https://10.96.0.1:443"})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, runtimes.Current()); diff != "" {
				t.Errorf("runtime (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNodesUseSystemCAsLikeTheOperator(t *testing.T) {
	o, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.nodeDefaults(&rest.Config{Host: "https://kubernetes.example.com"})
	if err != nil || got.CAData != nil {
		t.Errorf("got %q, %v", got.CAData, err)
	}
}
