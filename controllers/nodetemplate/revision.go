package nodetemplate

import (
	"fmt"
	"slices"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/revision"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Revision returns the revision of nodes that are made of the pool's template now. An error means
// that none can be made of it.
func (d NodeDefaults) Revision(pool *v1alpha1.MesosNodePool) (revision.Revision, error) {
	runtime, err := d.Runtime.Resolve(pool.Spec.Template.Spec.Runtime)
	if err != nil {
		return "", err
	}
	out, err := revision.Of(revision.Input{
		Template: pool.Spec.Template,
		Runtime: revision.Runtime{
			ContainerRuntime: runtime.ContainerRuntime, RuntimeSocket: runtime.RuntimeSocket, SandboxImage: runtime.SandboxImage,
			CNI: runtime.CNI, Artifacts: runtime.Artifacts,
		},
		Given: revision.Given{
			APIServer: d.APIServer, ClusterDomain: d.ClusterDomain, StateDir: d.StateDir, ClusterDNS: d.ClusterDNS, Network: d.Network,
		},
	})
	if err != nil {
		return "", fmt.Errorf("computing the revision: %w", err)
	}
	return out, nil
}

// KubernetesRelease returns the minor release of the kubelets of nodes with this template, such as
// v1.37; empty if it is not known.
func (d NodeDefaults) KubernetesRelease(template v1alpha1.NodeRuntime) string {
	runtime, err := d.Runtime.Resolve(template)
	if err != nil || runtime.Kubernetes == (Release{}) {
		return ""
	}
	return runtime.Kubernetes.String()
}

// Kubelets returns the artifacts, one for each architecture, that the kubelet of a node with this
// template may be; none if it comes in an archive.
func (d NodeDefaults) Kubelets(template v1alpha1.NodeRuntime) []v1alpha1.Artifact {
	runtime, err := d.Runtime.Resolve(template)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(runtime.Artifacts, func(a v1alpha1.Artifact) bool {
		return a.Name != nodeapi.ArtifactKubelet || a.Type != v1alpha1.ArtifactBinary
	})
}
