package kubelet

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
)

// The kubelet would remove an image that no pod uses to make room, and no registry may have it.
func TestImportedImagesArePinned(t *testing.T) {
	tests := map[string]struct{ ctr, want string }{
		"ctr that can pin": {`echo "$*" >>calls`, "--label=io.cri-containerd.pinned=pinned /image"},
		"ctr that is older": {`case "$*" in *--label=*) echo "ctr: flag provided but not defined: -label" >&2; exit 1;; esac; echo "$*" >>calls`,
			"images import /image"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n, dir := testNode(t), t.TempDir()
			n.spec, n.layout = kubelettest.LaunchSpec(), layout.Of(dir, "n1")
			calls := filepath.Join(dir, "calls")
			kubelettest.Must(t, os.MkdirAll(n.layout.Bin(), 0o755),
				os.WriteFile(n.layout.Program("ctr"), []byte("#!/bin/sh\ncd "+dir+"\n"+tc.ctr), 0o755),
				n.importImage(t.Context(), "/socket", "/image"))
			if got := kubelettest.Content(calls); len(got) < len(tc.want) || got[len(got)-len(tc.want):] != tc.want {
				t.Errorf("ctr was called with %s", got)
			}
		})
	}
	n := testNode(t)
	n.spec, n.layout = kubelettest.LaunchSpec(), layout.Of(t.TempDir(), "n1")
	if err := n.importImage(t.Context(), "/socket", "/image"); err == nil {
		t.Error("imported without a ctr")
	}
}
