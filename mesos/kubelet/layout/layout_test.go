package layout

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// A sweep removes the node's folder and nothing else, so every path has to be in it.
func TestEverythingIsInTheNodesFolder(t *testing.T) {
	l := Of("/var/lib/k8sm", "n1")
	if l.Dir != "/var/lib/k8sm/n1" {
		t.Errorf("folder is %s", l.Dir)
	}
	seen := map[string]string{}
	all := reflect.ValueOf(l)
	for i := range all.NumMethod() {
		method := all.Type().Method(i)
		if method.Name == "In" || method.Name == "Program" {
			continue
		}
		path := all.Method(i).Call(nil)[0].String()
		if !strings.HasPrefix(path, l.Dir+"/") || filepath.Clean(path) != path {
			t.Errorf("%s is %s", method.Name, path)
		}
		if other, used := seen[path]; used {
			t.Errorf("%s and %s are both %s", method.Name, other, path)
		}
		seen[path] = method.Name
	}
	if len(seen) < 20 {
		t.Errorf("only %d paths were looked at", len(seen))
	}
}

// A later release sweeps what an earlier one has left, and finds it by these names.
func TestPathsAreStableAcrossReleases(t *testing.T) {
	l := Of("/s", "n")
	for got, want := range map[string]string{
		l.Record():            "/s/n/k8sm-node.json",
		l.Lock():              "/s/n/lock",
		l.Program("kubelet"):  "/s/n/bin/kubelet",
		l.Kubelet():           "/s/n/kubelet",
		l.In():                "/s/n",
		l.In("a", "b"):        "/s/n/a/b",
		l.StagedKubelet():     "/s/n/staged/kubelet",
		l.FormerKubelet():     "/s/n/former/kubelet",
		l.ClientCertificate(): "/s/n/pki/kubelet-client-current.pem",
		l.PodLogs():           "/s/n/log/pods",
		l.Home():              "/s/n/home",
		l.Sysctls():           "/s/n/sysctl",
		Locks:                 "/run/k8sm",
		ContainerdSocket:      "/run/containerd/containerd.sock",
		KubeletRoot:           "/var/lib/kubelet",
	} {
		if got != want {
			t.Errorf("path is %s, want %s", got, want)
		}
	}
}

// The kubelet puts its certificate where it is told to, and links to it by a name of its own.
func TestFilesAreInCreatedFolders(t *testing.T) {
	l := Of("/s", "n")
	for file, dir := range map[string]string{
		l.ClientCertificate(): l.PKI(), l.KubeletConfig(): l.Etc(), l.Kubeconfig(): l.Etc(), l.Bootstrap(): l.Etc(),
		l.ClientCA(): l.Etc(), l.ContainerdConfig(): l.Etc(), l.CNITemplate(): l.Etc(), l.StaticPods(): l.Etc(), l.Program("runc"): l.Bin(),
	} {
		if filepath.Dir(file) != dir {
			t.Errorf("%s is not in %s", file, dir)
		}
	}
}

// Interfaces to other programs: what they insist on cannot be chosen.
func TestSystemPaths(t *testing.T) {
	for got, want := range map[string]string{
		PodLogs:         "/var/log/pods",
		ContainerLogs:   "/var/log/containers",
		CNIState:        "/var/lib/cni",
		CNIConf:         "/etc/cni/net.d",
		CNIBin:          "/opt/cni/bin",
		ContainerdState: "/run/containerd",
	} {
		if got != want {
			t.Errorf("path is %s, want %s", got, want)
		}
	}
	if filepath.Dir(ContainerdSocket) != ContainerdState {
		t.Errorf("%s is not in %s, which is the node's own", ContainerdSocket, ContainerdState)
	}
}

func TestNodesOfOneStateFolder(t *testing.T) {
	tests := map[string]struct{ stateDir, nodeName, want string }{
		"two nodes":                {"/var/lib/k8sm", "n2", "/var/lib/k8sm/n2"},
		"a name with dots":         {"/var/lib/k8sm", "n1.example.com", "/var/lib/k8sm/n1.example.com"},
		"a folder of another disk": {"/data/k8sm", "n1", "/data/k8sm/n1"},
		"a slash at the end":       {"/data/k8sm/", "n1", "/data/k8sm/n1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := Of(tc.stateDir, tc.nodeName)
			if l.Dir != tc.want || l.Record() != tc.want+"/"+RecordFile {
				t.Errorf("folder is %s, want %s", l.Dir, tc.want)
			}
			if other := Of(tc.stateDir, tc.nodeName+"0"); strings.HasPrefix(other.Record(), l.Dir+"/") {
				t.Errorf("%s is in the folder of another node", other.Record())
			}
		})
	}
}

// Some programs go by the name under which they were started.
func TestKubeletFilesAreNamedKubelet(t *testing.T) {
	l := Of("/s", "n")
	for _, path := range []string{l.Program("kubelet"), l.StagedKubelet(), l.FormerKubelet()} {
		if filepath.Base(path) != "kubelet" {
			t.Errorf("%s is not named kubelet", path)
		}
	}
	if l.StagedKubelet() == l.FormerKubelet() {
		t.Error("the staged kubelet and the former one are the same")
	}
}

// Paths are compared with those of the mount table, which are clean.
func TestInCleansItsPath(t *testing.T) {
	if got := Of("/s", "n").In("a/", "./b"); got != "/s/n/a/b" {
		t.Errorf("path is %s", got)
	}
}
