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
	for i := range runtime.Artifacts {
		if runtime.Artifacts[i].Type == "" {
			runtime.Artifacts[i].Type = v1alpha1.ArtifactBinary
		}
	}
	problems := slices.Concat(runtime.checkContainers(), runtime.checkStorage(), runtime.checkArtifacts())
	if err := errors.Join(problems...); err != nil {
		return Runtime{}, fmt.Errorf("checking the node runtime: %w", err)
	}
	return runtime, nil
}

// checkContainers checks how nodes run containers and connect them.
func (r Runtime) checkContainers() (problems []error) {
	if r.ContainerRuntime != nodeapi.RuntimeContainerd && r.ContainerRuntime != nodeapi.RuntimeNone {
		problems = append(problems, fmt.Errorf("containerRuntime is %q, not %q or %q", r.ContainerRuntime, nodeapi.RuntimeContainerd, nodeapi.RuntimeNone))
	}
	if !slices.Contains([]v1alpha1.CNI{"", v1alpha1.CNIBundled, v1alpha1.CNIExternal}, r.CNI) {
		problems = append(problems, fmt.Errorf("cni is %q, not %q or %q", r.CNI, v1alpha1.CNIBundled, v1alpha1.CNIExternal))
	}
	if r.RuntimeSocket != "" && (!filepath.IsAbs(r.RuntimeSocket) || r.ContainerRuntime != nodeapi.RuntimeContainerd) {
		problems = append(problems, fmt.Errorf("runtimeSocket is %q, not an absolute path, or containerRuntime is not %q", r.RuntimeSocket, nodeapi.RuntimeContainerd))
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

func (r Runtime) checkArtifacts() (problems []error) {
	seen := map[string]bool{}
	for i := range r.Artifacts {
		a := &r.Artifacts[i]
		if a.Name == "" || seen[a.Name] {
			problems = append(problems, fmt.Errorf("artifacts[%d]: the name %q is empty or occurs twice", i, a.Name))
		}
		seen[a.Name] = true
		problems = append(problems, checkArtifact(a)...)
	}
	return problems
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
	return problems
}
