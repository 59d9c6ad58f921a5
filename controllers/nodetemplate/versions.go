package nodetemplate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// release returns the Kubernetes release of the version's kubelet. Only artifacts without a
// version have none.
func (v RuntimeVersion) release() Release {
	text := v.KubernetesVersion
	if text == "" {
		text = v.Name
	}
	release, _ := ParseRelease(text)
	return release
}

// checkVersions checks the catalogue: each version must be all that a node needs, so that none
// fails only when a pool chooses it.
func (r Runtime) checkVersions() (problems []error) {
	seen := map[string]bool{}
	for i, v := range r.Versions {
		if seen[v.Name] {
			problems = append(problems, fmt.Errorf("versions[%d]: the name %q occurs twice", i, v.Name))
		}
		seen[v.Name] = true
		for _, problem := range slices.Concat(v.checkName(), checkArtifacts(v.Artifacts), r.checkVersion(v)) {
			problems = append(problems, fmt.Errorf("versions[%d] %q: %w", i, v.Name, problem))
		}
	}
	if r.DefaultVersion == "" {
		return problems
	}
	if !seen[r.DefaultVersion] {
		problems = append(problems, fmt.Errorf("defaultVersion %q is not the name of a version", r.DefaultVersion))
	}
	if len(r.Artifacts) > 0 {
		problems = append(problems, errors.New("artifacts are never used if there is a defaultVersion: move them into a version, or remove one of the two"))
	}
	return problems
}

// checkName checks that the version can be named, and that the release of its kubelet is known.
func (v RuntimeVersion) checkName() (problems []error) {
	if invalid := validation.IsValidLabelValue(v.Name); len(invalid) > 0 {
		problems = append(problems, fmt.Errorf("the name is not a label value: %s", strings.Join(invalid, "; ")))
	}
	named, isNamed := ParseRelease(v.Name)
	given, isGiven := ParseRelease(v.KubernetesVersion)
	switch {
	case v.Name == "":
		problems = append(problems, errors.New("the name is empty"))
	case v.KubernetesVersion != "" && !isGiven:
		problems = append(problems, fmt.Errorf("kubernetesVersion %q is not a version of Kubernetes, for example v1.37", v.KubernetesVersion))
	case isNamed && isGiven && named != given:
		problems = append(problems, fmt.Errorf("kubernetesVersion is %q, and the name is one of %s", v.KubernetesVersion, named))
	case !isNamed && !isGiven:
		problems = append(problems, errors.New("the name is not a version of Kubernetes, for example v1.37.2 or v1.37.2-2, so that kubernetesVersion is needed"))
	}
	return problems
}

// checkVersion checks the version together with what the file has for all versions, as nodes
// will get it.
func (r Runtime) checkVersion(v RuntimeVersion) (problems []error) {
	resolved := r.resolve(v, v1alpha1.NodeRuntime{})
	problems = checkContainers(resolved.ContainerRuntime, resolved.RuntimeSocket, resolved.CNI)
	if missing := resolved.Missing(); len(missing) > 0 {
		problems = append(problems, fmt.Errorf("it is not complete, because there is no artifact %s", strings.Join(missing, ", ")))
	}
	for _, a := range resolved.Artifacts {
		message := messageOf(a)
		if err := message.Validate(); err != nil && len(checkArtifact(&a)) == 0 {
			problems = append(problems, err)
		}
		if a.Name == nodeapi.ArtifactExecutor && a.Type != v1alpha1.ArtifactBinary {
			problems = append(problems, fmt.Errorf("the artifact %q is of type %s, not %s", a.Name, a.Type, v1alpha1.ArtifactBinary))
		}
	}
	return problems
}
