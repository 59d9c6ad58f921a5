package nodetemplate

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// ParseRuntime reads the content of a --node-runtime file, which is YAML; no content is a
// runtime of defaults. Unknown fields are errors. The error names everything that is wrong.
func ParseRuntime(data []byte) (Runtime, error) {
	runtime := Runtime{ContainerRuntime: nodeapi.RuntimeContainerd}
	if err := yaml.UnmarshalStrict(data, &runtime); err != nil {
		return Runtime{}, fmt.Errorf("parsing the node runtime: %w", err)
	}
	setArtifactTypes(runtime.Artifacts)
	for i := range runtime.Versions {
		setArtifactTypes(runtime.Versions[i].Artifacts)
	}
	problems := slices.Concat(checkContainers(runtime.ContainerRuntime, runtime.RuntimeSocket, runtime.CNI), runtime.checkStorage(),
		checkArtifacts(runtime.Artifacts), runtime.checkVersions(), runtime.checkAllowedArtifacts(), runtime.checkMirrorCredentials())
	if err := errors.Join(problems...); err != nil {
		return Runtime{}, fmt.Errorf("checking the node runtime: %w", err)
	}
	return runtime, nil
}

// setArtifactTypes gives artifacts without a type the default one.
func setArtifactTypes(artifacts []v1alpha1.Artifact) {
	for i := range artifacts {
		if artifacts[i].Type == "" {
			artifacts[i].Type = v1alpha1.ArtifactBinary
		}
	}
}

// checkContainers checks how nodes run containers and connect them.
func checkContainers(runtime, socket string, cni v1alpha1.CNI) (problems []error) {
	if runtime != nodeapi.RuntimeContainerd && runtime != nodeapi.RuntimeNone {
		problems = append(problems, fmt.Errorf("containerRuntime is %q, not %q or %q", runtime, nodeapi.RuntimeContainerd, nodeapi.RuntimeNone))
	}
	if !slices.Contains([]v1alpha1.CNI{"", v1alpha1.CNIBundled, v1alpha1.CNIExternal}, cni) {
		problems = append(problems, fmt.Errorf("cni is %q, not %q or %q", cni, v1alpha1.CNIBundled, v1alpha1.CNIExternal))
	}
	if socket != "" && (!filepath.IsAbs(socket) || runtime != nodeapi.RuntimeContainerd) {
		problems = append(problems, fmt.Errorf("runtimeSocket is %q, not an absolute path, or containerRuntime is not %q", socket, nodeapi.RuntimeContainerd))
	}
	return problems
}

// checkStorage checks where artifacts come from and where they are cached.
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

func checkArtifacts(artifacts []v1alpha1.Artifact) (problems []error) {
	type key struct {
		name         string
		architecture v1alpha1.Architecture
	}
	seen := map[key]bool{}
	for i := range artifacts {
		a := &artifacts[i]
		k := key{a.Name, a.Architecture}
		if a.Name == "" || seen[k] {
			problems = append(problems, fmt.Errorf("artifacts[%d]: the name %q is empty or occurs twice%s", i, a.Name, forArchitecture(a.Architecture)))
		}
		seen[k] = true
		problems = append(problems, checkArtifact(a)...)
	}
	return problems
}

// forArchitecture names an architecture in a message, unless it is any.
func forArchitecture(architecture v1alpha1.Architecture) string {
	if architecture == "" {
		return ""
	}
	return fmt.Sprintf(" for the architecture %q", architecture)
}

// checkArtifact checks everything of an artifact but its name.
func checkArtifact(a *v1alpha1.Artifact) (problems []error) {
	if a.URI == "" || !digest.MatchString(a.SHA256) {
		problems = append(problems, fmt.Errorf("artifact %q: it needs a uri, and a sha256 of 64 lower-case hexadecimal digits", a.Name))
	}
	if strings.ContainsAny(a.URI, `'\`) {
		problems = append(problems, fmt.Errorf("artifact %q: the uri %q has a quote or a backslash, which Mesos does not fetch", a.Name, a.URI))
	}
	if !slices.Contains([]v1alpha1.ArtifactType{v1alpha1.ArtifactBinary, v1alpha1.ArtifactArchive, v1alpha1.ArtifactImage}, a.Type) {
		problems = append(problems, fmt.Errorf("artifact %q: the type %q is unknown", a.Name, a.Type))
	}
	if !slices.Contains([]v1alpha1.Architecture{"", v1alpha1.ArchitectureAMD64, v1alpha1.ArchitectureARM64}, a.Architecture) {
		problems = append(problems, fmt.Errorf("artifact %q: the architecture %q is not %q or %q", a.Name, a.Architecture, v1alpha1.ArchitectureAMD64, v1alpha1.ArchitectureARM64))
	}
	return problems
}
