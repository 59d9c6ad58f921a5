package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestFilesWithTheTokenHaveOwnerPermissionsOnly(t *testing.T) {
	l := kubelettest.LaunchSpec()
	l.StateDir = t.TempDir()
	p := layoutOf(l)
	if err := errors.Join(kubeletOf(l).Write(p), credentialsOf(l).Write(p), Containerd{NodeName: l.NodeName}.Write(p)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(l.StateDir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, _ := os.ReadFile(path)
		info, _ := entry.Info()
		if strings.Contains(string(data), kubelettest.Token) && info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(p.Bootstrap())
	if !strings.Contains(string(data), kubelettest.Token) || !strings.Contains(string(data), `"certificate-authority-data": "cGVt"`) {
		t.Errorf("bootstrap kubeconfig is %s", data)
	}
}
