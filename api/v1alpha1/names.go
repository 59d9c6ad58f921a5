package v1alpha1

// Labels and annotations.
const (
	// LabelPool is on each MesosNode and each Node: the name of the MesosNodePool.
	LabelPool = "k8sm.io/pool"
	// LabelFramework is on each MesosNode and each Node: the name of the MesosFramework.
	LabelFramework = "k8sm.io/framework"
	// LabelShape is on each MesosNode and each Node of a pool that has shapes: the shape's
	// name.
	LabelShape = "k8sm.io/shape"
	// LabelAgentID is on each Node: the Mesos agent ID under which it was launched.
	LabelAgentID = "k8sm.io/agent-id"
	// LabelAgentHostname is on each Node: the agent's host name, made fit for a label.
	LabelAgentHostname = "k8sm.io/agent-hostname"

	// AnnotationFrameworkID is on each MesosFramework that was ever registered: the ID
	// that status.frameworkID has, kept a second time because a status can be lost. While
	// it is there, no registration is made without an ID.
	AnnotationFrameworkID = "k8sm.io/framework-id"

	// AnnotationDoNotDisrupt, "true" on a pod, or on a MesosNode, keeps the autoscaler from
	// removing the node to save it. Nodes that go for another reason go all the same.
	AnnotationDoNotDisrupt = "k8sm.io/do-not-disrupt"

	// AnnotationForceRelease, set to "true" by a person, lets a MesosNode be deleted
	// although Mesos has not confirmed that its task ended, and a MesosFramework
	// although no master has taken its TEARDOWN. What was launched may still run
	// somewhere: this is for hosts and Mesos clusters that are known to be gone.
	AnnotationForceRelease = "k8sm.io/force-release"
)

// Finalizers.
const (
	// FinalizerRelease keeps a MesosNode until it is drained, its task is known to
	// have ended, and its Node is deleted.
	FinalizerRelease = "k8sm.io/release"
	// FinalizerNodes keeps a MesosNodePool until its last MesosNode is gone.
	FinalizerNodes = "k8sm.io/nodes"
	// FinalizerTeardown keeps a MesosFramework until its pools are gone and Mesos
	// has been told to tear the framework down.
	FinalizerTeardown = "k8sm.io/teardown"
)

// BootstrapGroup is the group that the bootstrap tokens of k8sm authenticate as,
// beside system:bootstrappers. RBAC lets it create certificate signing requests.
const BootstrapGroup = "system:bootstrappers:k8sm"

// ProviderIDPrefix begins the provider ID of each Node: mesos://<agent ID>/<task ID>.
const ProviderIDPrefix = "mesos://"
