package nodetemplate

import (
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Runtime is what the operator supplies nodes with: the content of its --node-runtime file. A
// pool's template.spec.runtime overrides it, artifact by artifact.
type Runtime struct {
	// ContainerRuntime is containerd (the default), or none if the artifact kubelet brings
	// its own.
	ContainerRuntime string `json:"containerRuntime,omitempty"`
	// RuntimeSocket is the socket of a containerd that the agents have themselves.
	RuntimeSocket string `json:"runtimeSocket,omitempty"`
	// CNI is Bundled (the default), or External where a DaemonSet brings the network.
	CNI v1alpha1.CNI `json:"cni,omitempty"`
	// SandboxImage is the image that holds a pod's namespaces. If it is empty, containerd
	// uses its own default.
	SandboxImage string `json:"sandboxImage,omitempty"`
	// Mirror is an http, https or file URL. Agents fetch from there what would come over the
	// network: <mirror>/<host>/<path>, as wget -x lays it out.
	Mirror string `json:"mirror,omitempty"`
	// CacheSize is the maximum size of the artifact cache on each agent. The default is
	// 10 GiB.
	CacheSize *resource.Quantity `json:"cacheSize,omitempty"`
	// Artifacts that each node is made of.
	Artifacts []v1alpha1.Artifact `json:"artifacts,omitempty"`
}

// Missing names, in order, the artifacts that a node needs and that neither its template nor
// the operator supplies. If there is an archive, it may hold any program, and only the
// executor finds out; the executor itself is never in an archive.
func (r Runtime) Missing(template v1alpha1.NodeRuntime) []string {
	merged := r.merge(template)
	needed := []string{nodeapi.ArtifactExecutor}
	if !slices.ContainsFunc(merged.Artifacts, func(a v1alpha1.Artifact) bool { return a.Type == v1alpha1.ArtifactArchive }) {
		spec := &nodeapi.LaunchSpec{}
		merged.applyTo(spec)
		needed = append(needed, spec.RequiredPrograms()...)
	}
	return slices.DeleteFunc(needed, func(name string) bool { return merged.artifact(name) != nil })
}

// Kubelet returns the artifact that a node's kubelet is, nil if it comes in an archive.
func (r Runtime) Kubelet(template v1alpha1.NodeRuntime) *v1alpha1.Artifact {
	merged := r.merge(template)
	kubelet := merged.artifact(nodeapi.ArtifactKubelet)
	if kubelet == nil || kubelet.Type != v1alpha1.ArtifactBinary {
		return nil
	}
	return kubelet
}

// merge returns the runtime with a template's overrides, and with all URIs at the mirror.
func (r Runtime) merge(template v1alpha1.NodeRuntime) Runtime {
	out := r
	out.Artifacts = slices.Clone(r.Artifacts)
	if template.SandboxImage != "" {
		out.SandboxImage = template.SandboxImage
	}
	if template.CNI != "" {
		out.CNI = template.CNI
	}
	if template.RuntimeSocket != "" {
		out.RuntimeSocket = template.RuntimeSocket
	}
	for _, a := range template.Artifacts {
		if known := out.artifact(a.Name); known != nil {
			*known = a
		} else {
			out.Artifacts = append(out.Artifacts, a)
		}
	}
	for i := range out.Artifacts {
		out.Artifacts[i].URI = r.mirroredURI(out.Artifacts[i].URI)
	}
	return out
}

// applyTo writes a merged runtime into a launch message.
func (r Runtime) applyTo(spec *nodeapi.LaunchSpec) {
	spec.ContainerRuntime, spec.RuntimeSocket = r.ContainerRuntime, r.RuntimeSocket
	spec.ExternalCNI = r.CNI == v1alpha1.CNIExternal
	spec.SandboxImage = r.SandboxImage
	spec.CacheMiB = r.cacheMiB()
	for _, a := range r.Artifacts {
		spec.Artifacts = append(spec.Artifacts, nodeapi.Artifact{Name: a.Name, Type: string(a.Type), URI: a.URI, SHA256: a.SHA256})
	}
}

// artifact returns the artifact of this name, nil if there is none. The caller may change it.
func (r Runtime) artifact(name string) *v1alpha1.Artifact {
	for i := range r.Artifacts {
		if r.Artifacts[i].Name == name {
			return &r.Artifacts[i]
		}
	}
	return nil
}

// cacheMiB returns the size of the artifact cache, 0 for the executor's default.
func (r Runtime) cacheMiB() int64 {
	if r.CacheSize == nil {
		return 0
	}
	return r.CacheSize.Value() >> 20
}

// mirroredURI returns where agents fetch what is at the URI. Credentials in the URI are for
// the origin, and are not sent to the mirror.
func (r Runtime) mirroredURI(uri string) string {
	u, err := url.Parse(uri)
	if r.Mirror == "" || err != nil || u.Scheme == "file" {
		return uri
	}
	mirrored := strings.TrimSuffix(r.Mirror, "/") + "/" + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		mirrored += "?" + u.RawQuery
	}
	return mirrored
}
