package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/machine"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestKubeletClientCA(t *testing.T) {
	for name, tc := range map[string]struct{ clients, want string }{
		"an authority of its own for clients": {"clients", "clients"},
		"the authority of the API server":     {"", "server"},
	} {
		t.Run(name, func(t *testing.T) {
			l := layout.Of(t.TempDir(), "n1")
			c := Credentials{APIServer: "https://10.0.0.1", CA: []byte("server"), ClientCA: []byte(tc.clients), BootstrapToken: kubelettest.Token}
			kubelettest.Must(t, c.Write(l))
			if got := kubelettest.Content(l.ClientCA()); got != tc.want {
				t.Errorf("authorities are %q, want %q", got, tc.want)
			}
		})
	}
}

func TestBootstrapKubeconfigIsComplete(t *testing.T) {
	l := layout.Of(t.TempDir(), "n1")
	kubelettest.Must(t, Credentials{APIServer: "https://10.0.0.1:6443", CA: []byte("pem"), BootstrapToken: kubelettest.Token}.Write(l))
	data, err := os.ReadFile(l.Bootstrap())
	kubelettest.Must(t, err)
	var got struct {
		Clusters []struct {
			Name    string
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
		Users []struct {
			Name string
			User struct{ Token string }
		}
		Contexts []struct {
			Name    string
			Context struct{ Cluster, User string }
		}
		CurrentContext string `json:"current-context"`
	}
	kubelettest.Must(t, json.Unmarshal(data, &got))
	context := got.Contexts[0]
	if got.CurrentContext != context.Name || context.Context.Cluster != got.Clusters[0].Name || context.Context.User != got.Users[0].Name {
		t.Errorf("its parts do not refer to each other: %s", data)
	}
	if c := got.Clusters[0].Cluster; c.Server != "https://10.0.0.1:6443" || string(c.CA) != "pem" || got.Users[0].User.Token != kubelettest.Token {
		t.Errorf("kubeconfig is %s", data)
	}
}

func TestConfigurationIsWrittenWithThePoolsFields(t *testing.T) {
	spec := kubelettest.LaunchSpec()
	spec.StateDir = t.TempDir()
	spec.KubeletConfig = []byte(`{"maxPods": 30, "cpuCFSQuota": false, "podPidsLimit": 7}`)
	l := layoutOf(spec)
	kubelettest.Must(t, kubeletOf(spec).Write(l))
	data, err := os.ReadFile(l.KubeletConfig())
	kubelettest.Must(t, err)
	var got struct {
		MaxPods, PodPidsLimit int
		CPUCFSQuota           bool
		ProviderID            string
	}
	kubelettest.Must(t, json.Unmarshal(data, &got))
	if got.MaxPods != 30 || got.PodPidsLimit != 7 || got.CPUCFSQuota || got.ProviderID != spec.ProviderID {
		t.Errorf("configuration is %+v", got)
	}
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	kubelettest.Must(t, os.WriteFile(file, nil, 0o600))
	l := layout.Of(file, "n1")
	for name, err := range map[string]error{
		"kubelet":     Kubelet{}.Write(l),
		"credentials": Credentials{}.Write(l),
		"containerd":  Containerd{}.Write(l),
	} {
		if err == nil || !strings.Contains(err.Error(), "making configuration folder") {
			t.Errorf("error of %s is %v", name, err)
		}
	}
	if err := WriteFile(filepath.Join(file, "x"), nil); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("error of a file below a file is %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	tests := map[string]struct {
		inherited []string
		tmp       string
		want      []string
	}{
		"an empty environment":                        {nil, "", []string{"HOME=/n1/home", "LANG=C", "PATH=/n1/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
		"a folder for temporary files":                {[]string{"PATH=/bin", "TMPDIR=/elsewhere"}, "/n1/tmp", []string{"HOME=/n1/home", "LANG=C", "TMPDIR=/n1/tmp", "PATH=/n1/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin"}},
		"proxies in any case":                         {[]string{"PATH=/bin", "http_proxy=a", "HTTP_PROXY=b", "NO_PROXY=c"}, "", []string{"HOME=/n1/home", "LANG=C", "http_proxy=a", "HTTP_PROXY=b", "NO_PROXY=c", "PATH=/n1/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin"}},
		"libraries of an agent's flag are left out":   {[]string{"PATH=/bin:/usr/bin", "LD_LIBRARY_PATH=/usr/local/lib", "LD_PRELOAD=x"}, "", []string{"HOME=/n1/home", "LANG=C", "PATH=/n1/bin:/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"}},
		"malformed and secret variables are left out": {[]string{"PATH", "HOME=/home/agent", "MESOS_SECRET=x", "http_proxy_password=x"}, "", []string{"HOME=/n1/home", "LANG=C", "PATH=/n1/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Environment(tc.inherited, "/n1/bin", "/n1/home", tc.tmp)); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSandboxImageIsQuoted(t *testing.T) {
	l := layout.Of("/s", "n1")
	without := Containerd{StreamPort: 1}.toml(l)
	if strings.Contains(without, "pinned_images") {
		t.Error("an image is pinned although there is none")
	}
	with := Containerd{StreamPort: 1, SandboxImage: `a"\b`}.toml(l)
	if !strings.Contains(with, `sandbox = "a\"\\b"`) {
		t.Errorf("the image is not quoted in\n%s", with)
	}
}

// What evicts pods late in their own memory must come out of the overhead, however small.
func TestReservationOfTinyAllocations(t *testing.T) {
	m := machine.Machine{CPUs: 1, MemoryBytes: 1 << 30, DiskBytes: 1 << 30, PIDs: 512}
	r := Reserve(Allocation{CPUs: 0.1, MemMiB: 16}, m, nil, false)
	if r.EvictionHard[nodeapi.MemoryAvailable] != noThreshold || r.Kube["memory"] != "0" || len(r.Exceeds) > 0 {
		t.Errorf("without overhead: %+v", r)
	}
	// Fewer process numbers than a node should have: it gets them all.
	if r.System["pid"] != "0" || r.PIDsPerPod != 512 {
		t.Errorf("process numbers: %s reserved, %d for a pod", r.System["pid"], r.PIDsPerPod)
	}
	if _, limited := r.System["ephemeral-storage"]; limited {
		t.Error("the disk is limited although Mesos allocated none")
	}
}

func TestResolvConfIsThePoolsIfItNamesOne(t *testing.T) {
	for name, tc := range map[string]struct{ pool, want string }{
		"found by the executor": {`{}`, "/run/systemd/resolve/resolv.conf"},
		"of the pool":           {`{"resolvConf": "/etc/resolv.pods"}`, "/etc/resolv.pods"},
	} {
		spec := kubelettest.LaunchSpec()
		spec.StateDir, spec.KubeletConfig = t.TempDir(), []byte(tc.pool)
		k := kubeletOf(spec)
		k.ResolvConf = "/run/systemd/resolve/resolv.conf"
		kubelettest.Must(t, k.Write(layoutOf(spec)))
		var got struct{ ResolvConf string }
		kubelettest.Must(t, json.Unmarshal([]byte(kubelettest.Content(layoutOf(spec).KubeletConfig())), &got))
		if got.ResolvConf != tc.want {
			t.Errorf("%s: %q", name, got.ResolvConf)
		}
	}
}
