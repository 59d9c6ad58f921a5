package nodetemplate

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Runtime is what the operator supplies nodes with: the content of its --node-runtime file. A
// pool's template.spec.runtime chooses a version of the catalogue, and overrides it, artifact
// by artifact.
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
	// MirrorCredentials are what executors present to the mirror; nil for none. The Mesos
	// fetcher has no credentials, so that the executor itself does not come from the mirror
	// then.
	MirrorCredentials *MirrorCredentials `json:"mirrorCredentials,omitempty"`
	// CacheSize is the maximum size of the artifact cache on each agent. The default is
	// 10 GiB.
	CacheSize *resource.Quantity `json:"cacheSize,omitempty"`
	// AllowedArtifacts are URLs of folders on servers, or file:/// and a folder on the agents.
	// Templates may have only artifacts below one of them, and those of this file. If there
	// are none, templates may have any.
	AllowedArtifacts []string `json:"allowedArtifacts,omitempty"`
	// Artifacts that nodes are made of for which no version is chosen.
	Artifacts []v1alpha1.Artifact `json:"artifacts,omitempty"`
	// DefaultVersion is the name of the version of templates that choose none.
	DefaultVersion string `json:"defaultVersion,omitempty"`
	// Versions are the catalogue. Each is complete by itself: it shares the settings above,
	// and none of the artifacts.
	Versions []RuntimeVersion `json:"versions,omitempty"`
}

// RuntimeVersion is one runtime of the catalogue.
type RuntimeVersion struct {
	// Name is what pools choose the version by. It is a label value.
	Name string `json:"name"`
	// KubernetesVersion is the release of the kubelet, for example v1.37. It can be left out
	// if the name has it, as v1.37.2 and v1.37.2-2 do.
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// ContainerRuntime, RuntimeSocket, CNI and SandboxImage override those of the file.
	ContainerRuntime string       `json:"containerRuntime,omitempty"`
	RuntimeSocket    string       `json:"runtimeSocket,omitempty"`
	CNI              v1alpha1.CNI `json:"cni,omitempty"`
	SandboxImage     string       `json:"sandboxImage,omitempty"`
	// Artifacts are all that a node needs, for each architecture.
	Artifacts []v1alpha1.Artifact `json:"artifacts,omitempty"`
}

// UnknownVersionError is the error of a version that the catalogue does not have.
type UnknownVersionError struct {
	// Version is what was asked for.
	Version string
	// Known are the names that the catalogue has.
	Known []string
}

func (e *UnknownVersionError) Error() string {
	known := "has no versions"
	if len(e.Known) > 0 {
		known = "has " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("template.spec.runtime.version is %q, and the operator's --node-runtime file %s", e.Version, known)
}

// Resolve returns what the nodes of a template are made of. The only error is an
// *UnknownVersionError.
func (r Runtime) Resolve(template v1alpha1.NodeRuntime) (Resolved, error) {
	version, err := r.version(template.Version)
	if err != nil {
		return Resolved{}, err
	}
	return r.resolve(version, template), nil
}

// resolve returns a version with the settings of the file and the overrides of a template.
func (r Runtime) resolve(version RuntimeVersion, template v1alpha1.NodeRuntime) Resolved {
	out := Resolved{
		Version:          version.Name,
		ContainerRuntime: cmp.Or(version.ContainerRuntime, r.ContainerRuntime),
		CNI:              cmp.Or(template.CNI, version.CNI, r.CNI, v1alpha1.CNIBundled),
		SandboxImage:     cmp.Or(template.SandboxImage, version.SandboxImage, r.SandboxImage),
		RuntimeSocket:    cmp.Or(template.RuntimeSocket, version.RuntimeSocket),
		Artifacts:        overrideArtifacts(version.Artifacts, template.Artifacts),
	}
	if out.RuntimeSocket == "" && out.ContainerRuntime == r.ContainerRuntime {
		out.RuntimeSocket = r.RuntimeSocket // It is of no use to another container runtime.
	}
	if !replacesKubelet(version.Artifacts, template.Artifacts) {
		out.Kubernetes = version.release()
	}
	for i := range out.Artifacts {
		if r.MirrorCredentials == nil || out.Artifacts[i].Name != nodeapi.ArtifactExecutor {
			out.Artifacts[i].URI = r.mirroredURI(out.Artifacts[i].URI)
		}
	}
	return out
}

// version returns the version of a name, or of the default one. Where there is neither, it is
// made of the artifacts that the file has for all, and has no name.
func (r Runtime) version(name string) (RuntimeVersion, error) {
	name = cmp.Or(name, r.DefaultVersion)
	if name == "" {
		return RuntimeVersion{Artifacts: r.Artifacts}, nil
	}
	unknown := &UnknownVersionError{Version: name}
	for _, v := range r.Versions {
		if v.Name == name {
			return v, nil
		}
		unknown.Known = append(unknown.Known, v.Name)
	}
	return RuntimeVersion{}, unknown
}

// overrideArtifacts returns the artifacts of a runtime with those of a template, which replace
// the ones of their names: all, or the one for their architecture. Artifacts of one name
// follow each other; otherwise the order stays.
func overrideArtifacts(artifacts, own []v1alpha1.Artifact) []v1alpha1.Artifact {
	isReplaced := func(a v1alpha1.Artifact) bool {
		return slices.ContainsFunc(own, func(o v1alpha1.Artifact) bool {
			return o.Name == a.Name && (o.Architecture == "" || o.Architecture == a.Architecture)
		})
	}
	var names []string
	byName := map[string][]v1alpha1.Artifact{}
	for _, a := range slices.Concat(slices.DeleteFunc(slices.Clone(artifacts), isReplaced), own) {
		byName[a.Name] = append(byName[a.Name], a)
	}
	for _, a := range slices.Concat(artifacts, own) {
		if !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
	}
	var out []v1alpha1.Artifact
	for _, name := range names {
		out = append(out, byName[name]...)
	}
	return out
}

// replacesKubelet reports whether a template's own artifacts may bring another kubelet than
// the one of the runtime.
func replacesKubelet(artifacts, own []v1alpha1.Artifact) bool {
	isKubelet := func(a v1alpha1.Artifact) bool { return a.Name == nodeapi.ArtifactKubelet }
	isArchive := func(a v1alpha1.Artifact) bool { return a.Type == v1alpha1.ArtifactArchive }
	return slices.ContainsFunc(own, isKubelet) || !slices.ContainsFunc(artifacts, isKubelet) && slices.ContainsFunc(own, isArchive)
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
