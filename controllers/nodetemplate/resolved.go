package nodetemplate

import (
	"slices"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Resolved is what the nodes of one template are made of: the runtime that the template
// chooses, with the template's own settings and artifacts.
type Resolved struct {
	// Version is the name of the runtime in the catalogue, "" if neither the template nor
	// the operator's file chooses one.
	Version string
	// Kubernetes is the release of the kubelet. It is zero if it is not known: there is no
	// version, or the template has a kubelet of its own.
	Kubernetes Release
	// ContainerRuntime is nodeapi.RuntimeContainerd or nodeapi.RuntimeNone.
	ContainerRuntime string
	// RuntimeSocket is the socket of the agent's own containerd, "" for one of the node's.
	RuntimeSocket string
	// CNI is v1alpha1.CNIBundled or v1alpha1.CNIExternal.
	CNI v1alpha1.CNI
	// SandboxImage is empty for containerd's own default.
	SandboxImage string
	// Artifacts of all architectures, with the URIs at which agents fetch them. No two have
	// both name and architecture in common. The order is that of the operator's file, with
	// artifacts of one name together, and then that of the template.
	Artifacts []v1alpha1.Artifact
}

// Architectures returns the architectures of the agents that nodes can be on, sorted. It is
// empty if no artifact names one: then the artifacts are used on any agent.
func (r Resolved) Architectures() []v1alpha1.Architecture {
	var out []v1alpha1.Architecture
	for _, a := range r.Artifacts {
		if a.Architecture != "" {
			out = append(out, a.Architecture)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ArtifactsFor returns the artifacts of a node on an agent of that architecture, one of each
// name: the one for the architecture or, if there is none, the one for any. "" stands for an
// architecture that no artifact names.
func (r Resolved) ArtifactsFor(architecture v1alpha1.Architecture) (out []v1alpha1.Artifact) {
	for _, a := range r.Artifacts {
		isHidden := a.Architecture == "" && slices.ContainsFunc(r.Artifacts, func(other v1alpha1.Artifact) bool {
			return other.Name == a.Name && other.Architecture == architecture && architecture != ""
		})
		if !isHidden && (a.Architecture == "" || a.Architecture == architecture) {
			out = append(out, a)
		}
	}
	return out
}

// Missing names, in order, the artifacts that a node needs and that the runtime does not have;
// "kubelet for arm64" if it has them for another architecture. If there is an archive, it may
// hold any program, and only the executor finds out; the executor itself is never in an
// archive.
func (r Resolved) Missing() []string {
	architectures := r.Architectures()
	if len(architectures) == 0 {
		return r.missingFor("")
	}
	missing := []string{}
	for _, architecture := range architectures {
		for _, name := range r.missingFor(architecture) {
			missing = append(missing, name+" for "+string(architecture))
		}
	}
	return missing
}

func (r Resolved) missingFor(architecture v1alpha1.Architecture) []string {
	artifacts := r.ArtifactsFor(architecture)
	needed := []string{nodeapi.ArtifactExecutor}
	if !slices.ContainsFunc(artifacts, func(a v1alpha1.Artifact) bool { return a.Type == v1alpha1.ArtifactArchive }) {
		spec := &nodeapi.LaunchSpec{}
		r.applySettings(spec)
		needed = append(needed, spec.RequiredPrograms()...)
	}
	return slices.DeleteFunc(needed, func(name string) bool { return artifactNamed(artifacts, name) != nil })
}

// Kubelet returns the artifact that the kubelet of a node on an agent of that architecture is,
// nil if it comes in an archive. "" stands for an architecture that is not known: then it is
// nil, too, if there are kubelets for several.
func (r Resolved) Kubelet(architecture v1alpha1.Architecture) *v1alpha1.Artifact {
	if architecture == "" {
		if known := r.Architectures(); len(known) == 1 {
			architecture = known[0]
		}
	}
	var kubelet *v1alpha1.Artifact // A pool asks for each of its nodes, so that no list is made.
	for i := range r.Artifacts {
		a := &r.Artifacts[i]
		if a.Name == nodeapi.ArtifactKubelet && (a.Architecture == architecture || a.Architecture == "" && kubelet == nil) {
			kubelet = a
		}
	}
	if kubelet == nil || kubelet.Type != v1alpha1.ArtifactBinary {
		return nil
	}
	return kubelet
}

// applyTo writes the runtime into a launch message. Artifacts are sent by architecture only
// where there are several: an executor of an earlier release knows nothing of them, and needs
// not, as long as there is one.
func (r Resolved) applyTo(spec *nodeapi.LaunchSpec) {
	r.applySettings(spec)
	architectures := r.Architectures()
	if len(architectures) <= 1 {
		spec.Artifacts = messagesOf(r.ArtifactsFor(append(architectures, "")[0]))
		return
	}
	isForAny := func(a v1alpha1.Artifact) bool {
		return !slices.ContainsFunc(r.Artifacts, func(other v1alpha1.Artifact) bool { return other.Name == a.Name && other.Architecture != "" })
	}
	isForOne := func(a v1alpha1.Artifact) bool { return !isForAny(a) }
	spec.Artifacts = messagesOf(slices.DeleteFunc(r.ArtifactsFor(""), isForOne))
	spec.ArchitectureArtifacts = map[string][]nodeapi.Artifact{}
	for _, architecture := range architectures {
		spec.ArchitectureArtifacts[string(architecture)] = messagesOf(slices.DeleteFunc(r.ArtifactsFor(architecture), isForAny))
	}
}

func messagesOf(artifacts []v1alpha1.Artifact) (out []nodeapi.Artifact) {
	for _, a := range artifacts {
		out = append(out, messageOf(a))
	}
	return out
}

// messageOf returns an artifact as a launch message has it.
func messageOf(a v1alpha1.Artifact) nodeapi.Artifact {
	return nodeapi.Artifact{Name: a.Name, Type: string(a.Type), URI: a.URI, SHA256: a.SHA256}
}

// applySettings writes into a launch message everything but the artifacts.
func (r Resolved) applySettings(spec *nodeapi.LaunchSpec) {
	spec.ContainerRuntime, spec.RuntimeSocket = r.ContainerRuntime, r.RuntimeSocket
	spec.ExternalCNI = r.CNI == v1alpha1.CNIExternal
	spec.SandboxImage = r.SandboxImage
}

// artifactNamed returns the artifact of this name, nil if there is none.
func artifactNamed(artifacts []v1alpha1.Artifact, name string) *v1alpha1.Artifact {
	for i := range artifacts {
		if artifacts[i].Name == name {
			return &artifacts[i]
		}
	}
	return nil
}
