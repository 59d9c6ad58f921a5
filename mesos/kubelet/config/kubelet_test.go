package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestKubeletConfiguration(t *testing.T) {
	l := kubelettest.LaunchSpec()
	k := kubeletOf(l)
	k.Reservation = Reservation{System: map[string]string{"cpu": "6"}, Kube: map[string]string{"cpu": "100m"}, PIDsPerPod: 2048,
		EvictionHard: map[string]string{"memory.available": "64Mi"}}
	got, err := json.MarshalIndent(k.configuration(layoutOf(l)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/kubelet.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestKubeletSetsNoCPUQuotaInALimitedContainer(t *testing.T) {
	l := kubelettest.LaunchSpec()
	for _, quota := range []bool{true, false} {
		k := kubeletOf(l)
		k.Runtime.HasCPUQuota = quota
		if c := k.configuration(layoutOf(l)); c.CPUCFSQuota == quota {
			t.Errorf("container with quota: %t, pods with quota: %t", quota, c.CPUCFSQuota)
		}
	}
}

func TestNodeWithoutContainersNeedsNothingOfTheHost(t *testing.T) {
	l := kubelettest.LaunchSpec()
	k, p := kubeletOf(l), layoutOf(l)
	k.Runtime = Runtime{RootDir: p.Kubelet(), PodLogs: p.PodLogs()}
	c := k.configuration(p)
	if c.CgroupsPerQOS || c.CgroupRoot != "" || c.ContainerRuntimeEndpoint != "" {
		t.Errorf("configuration asks for cgroups or a runtime: %+v", c)
	}
	for _, arg := range k.Args(p) {
		if _, path, ok := strings.Cut(arg, "=/"); ok && !strings.HasPrefix("/"+path, l.StateDir+"/"+l.NodeName+"/") {
			t.Errorf("%s is outside of the node's folder", arg)
		}
	}
}

func TestKubeletArguments(t *testing.T) {
	l := kubelettest.LaunchSpec()
	got := strings.Join(kubeletOf(l).Args(layoutOf(l)), " ")
	for _, want := range []string{
		"--hostname-override=general-x7k2p", "--node-ip=10.0.0.2", "--node-labels=a=b,k8sm.io/pool=general",
		"--bootstrap-kubeconfig=/var/lib/k8sm/general-x7k2p/etc/bootstrap-kubeconfig",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if strings.Contains(got, "0123456789abcdef") {
		t.Error("the token is among the arguments, for all to read")
	}
}

func TestStaticPodsAreWrittenToTheStaticPodPath(t *testing.T) {
	l := kubelettest.LaunchSpec()
	l.StateDir = t.TempDir()
	l.StaticPods = []json.RawMessage{[]byte(`{"kind":"Pod","metadata":{"name":"one"}}`), []byte(`{"kind":"Pod","metadata":{"name":"two"}}`)}
	if err := kubeletOf(l).Write(layoutOf(l)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(layoutOf(l).KubeletConfig())
	if err != nil {
		t.Fatal(err)
	}
	var conf struct{ StaticPodPath string }
	if err := json.Unmarshal(data, &conf); err != nil {
		t.Fatal(err)
	}
	for i, want := range l.StaticPods {
		got, err := os.ReadFile(filepath.Join(conf.StaticPodPath, []string{"0.json", "1.json"}[i]))
		if err != nil || string(got) != string(want) {
			t.Errorf("manifest %d is %s, %v", i, got, err)
		}
	}
}
