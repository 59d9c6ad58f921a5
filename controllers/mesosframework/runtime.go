package mesosframework

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Runtime is what the operator supplies nodes with: the content of its --node-runtime
// file. A pool's template.spec.runtime overrides it, artifact by artifact.
type Runtime struct {
	// ContainerRuntime is containerd (the default), or none when the artifact kubelet
	// brings its own.
	ContainerRuntime string `json:"containerRuntime,omitempty"`
	// RuntimeSocket of a containerd that agents have themselves.
	RuntimeSocket string `json:"runtimeSocket,omitempty"`
	// CNI is Bundled (the default), or External where a DaemonSet brings the network.
	CNI v1alpha1.CNI `json:"cni,omitempty"`
	// SandboxImage holds a pod's namespaces. Empty: containerd's own default.
	SandboxImage string `json:"sandboxImage,omitempty"`
	// Mirror is an http, https or file URL in whose place agents look for everything that
	// would come over the network: <mirror>/<host>/<path>, as wget -x lays it out.
	Mirror string `json:"mirror,omitempty"`
	// CacheSize bounds the artifact cache on each agent. Left out, 10 GiB.
	CacheSize *resource.Quantity `json:"cacheSize,omitempty"`
	// Artifacts that each node is made of.
	Artifacts []v1alpha1.Artifact `json:"artifacts,omitempty"`
}

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ParseRuntime reads a --node-runtime file. Unknown fields are errors.
func ParseRuntime(data []byte) (Runtime, error) {
	runtime := Runtime{ContainerRuntime: nodeapi.RuntimeContainerd}
	if err := yaml.UnmarshalStrict(data, &runtime); err != nil {
		return Runtime{}, fmt.Errorf("parsing the node runtime: %w", err)
	}
	var problems []error
	if runtime.ContainerRuntime != nodeapi.RuntimeContainerd && runtime.ContainerRuntime != nodeapi.RuntimeNone {
		problems = append(problems, fmt.Errorf("containerRuntime is %q, not %q or %q", runtime.ContainerRuntime, nodeapi.RuntimeContainerd, nodeapi.RuntimeNone))
	}
	if !slices.Contains([]v1alpha1.CNI{"", v1alpha1.CNIBundled, v1alpha1.CNIExternal}, runtime.CNI) {
		problems = append(problems, fmt.Errorf("cni is %q, not %q or %q", runtime.CNI, v1alpha1.CNIBundled, v1alpha1.CNIExternal))
	}
	if runtime.RuntimeSocket != "" && (!filepath.IsAbs(runtime.RuntimeSocket) || runtime.ContainerRuntime != nodeapi.RuntimeContainerd) {
		problems = append(problems, fmt.Errorf("runtimeSocket is %q, not an absolute path, or containerRuntime is not %q", runtime.RuntimeSocket, nodeapi.RuntimeContainerd))
	}
	problems = append(problems, runtime.checkStorage()...)
	seen := map[string]bool{}
	for i := range runtime.Artifacts {
		a := &runtime.Artifacts[i]
		if a.Type == "" {
			a.Type = v1alpha1.ArtifactBinary
		}
		if a.Name == "" || seen[a.Name] {
			problems = append(problems, fmt.Errorf("artifacts[%d]: the name %q is empty or there twice", i, a.Name))
		}
		seen[a.Name] = true
		problems = append(problems, checkArtifact(a)...)
	}
	if err := errors.Join(problems...); err != nil {
		return Runtime{}, fmt.Errorf("checking the node runtime: %w", err)
	}
	return runtime, nil
}

// checkStorage says what is wrong with where artifacts come from and stay.
func (r Runtime) checkStorage() (problems []error) {
	if u, err := url.Parse(r.Mirror); r.Mirror != "" {
		if err != nil || !slices.Contains([]string{"http", "https", "file"}, u.Scheme) || (u.Host == "") != (u.Scheme == "file") ||
			u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(r.Mirror, `'\`) {
			problems = append(problems, fmt.Errorf("mirror %q is not an http, https or file URL without a query", r.Mirror))
		}
	}
	if r.CacheSize != nil && r.cacheMiB() < 1 {
		problems = append(problems, fmt.Errorf("cacheSize %s is less than 1Mi", r.CacheSize))
	}
	return problems
}

// cacheMiB is 0 where nothing is set.
func (r Runtime) cacheMiB() int64 {
	if r.CacheSize == nil {
		return 0
	}
	return r.CacheSize.Value() >> 20
}

// mirrored is where agents find what is at the URI. Who may read it there is the
// mirror's business: credentials for the origin are left out.
func (r Runtime) mirrored(uri string) string {
	u, err := url.Parse(uri)
	if r.Mirror == "" || err != nil || u.Scheme == "file" {
		return uri
	}
	there := strings.TrimSuffix(r.Mirror, "/") + "/" + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		there += "?" + u.RawQuery
	}
	return there
}

// checkArtifact says what is wrong with one artifact, its name aside.
func checkArtifact(a *v1alpha1.Artifact) (problems []error) {
	if a.URI == "" || !digest.MatchString(a.SHA256) {
		problems = append(problems, fmt.Errorf("artifact %q: it needs a uri, and a sha256 of 64 lower-case hexadecimal digits", a.Name))
	}
	if strings.ContainsAny(a.URI, `'\`) {
		problems = append(problems, fmt.Errorf("artifact %q: the uri %q has a quote or a backslash, which Mesos does not fetch", a.Name, a.URI))
	}
	if !slices.Contains([]v1alpha1.ArtifactType{v1alpha1.ArtifactBinary, v1alpha1.ArtifactArchive, v1alpha1.ArtifactImage}, a.Type) {
		problems = append(problems, fmt.Errorf("artifact %q: the type %q is none", a.Name, a.Type))
	}
	return problems
}

// Missing names, in order, the artifacts that a node needs and that neither its template
// nor the operator supplies. What is in an archive only the executor finds out.
func (r Runtime) Missing(template v1alpha1.NodeRuntime) []string {
	merged := r.with(template)
	needed := []string{nodeapi.ArtifactExecutor}
	if !slices.ContainsFunc(merged.Artifacts, func(a v1alpha1.Artifact) bool { return a.Type == v1alpha1.ArtifactArchive }) {
		needed = append(needed, merged.shape().RequiredPrograms()...)
	}
	return slices.DeleteFunc(needed, func(name string) bool { return merged.artifact(name) != nil })
}

// Kubelet is the artifact that a node's kubelet is; nil if it comes in an archive.
func (r Runtime) Kubelet(template v1alpha1.NodeRuntime) *v1alpha1.Artifact {
	merged := r.with(template)
	kubelet := merged.artifact(nodeapi.ArtifactKubelet)
	if kubelet == nil || kubelet.Type != v1alpha1.ArtifactBinary {
		return nil
	}
	return kubelet
}

// with is what a template makes of it, and the mirror.
func (r Runtime) with(template v1alpha1.NodeRuntime) Runtime {
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
		out.Artifacts[i].URI = r.mirrored(out.Artifacts[i].URI)
	}
	return out
}

// shape of a node, as the executor is told of it.
func (r Runtime) shape() *nodeapi.LaunchSpec {
	return &nodeapi.LaunchSpec{
		ContainerRuntime: r.ContainerRuntime, RuntimeSocket: r.RuntimeSocket, ExternalCNI: r.CNI == v1alpha1.CNIExternal,
	}
}

func (r Runtime) artifact(name string) *v1alpha1.Artifact {
	for i := range r.Artifacts {
		if r.Artifacts[i].Name == name {
			return &r.Artifacts[i]
		}
	}
	return nil
}
