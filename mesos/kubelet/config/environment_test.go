package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestEnvironmentOfProgramsHasNoExecutorSecrets(t *testing.T) {
	l := kubelettest.LaunchSpec()
	got := Environment([]string{
		"PATH=/usr/bin", "HOME=/root", "DOCKER_CONFIG=/root/.docker", "XDG_RUNTIME_DIR=/run/user/0", "AWS_SECRET_ACCESS_KEY=x", "MESOS_EXECUTOR_AUTHENTICATION_TOKEN=jwt", "HTTPS_PROXY=http://proxy:3128", "no_proxy=10.0.0.0/8", "X=y",
	}, layoutOf(l).Bin(), layoutOf(l).Home(), layoutOf(l).Tmp())
	want := []string{"HOME=/var/lib/k8sm/general-x7k2p/home", "LANG=C", "HTTPS_PROXY=http://proxy:3128", "no_proxy=10.0.0.0/8",
		"TMPDIR=/var/lib/k8sm/general-x7k2p/tmp", "PATH=/var/lib/k8sm/general-x7k2p/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}
