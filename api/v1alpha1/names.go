package v1alpha1

// Labels and annotations.
const (
	// LabelPool holds the name of the MesosNodePool. It is on each MesosNode and each Node.
	LabelPool = "k8sm.io/pool"
	// LabelFramework holds the name of the MesosFramework. It is on each MesosNode and each
	// Node.
	LabelFramework = "k8sm.io/framework"
	// LabelShape holds the name of the shape. It is on each MesosNode and each Node of a pool
	// that has shapes.
	LabelShape = "k8sm.io/shape"
	// LabelRevision holds the revision of a MesosNode: what its pool's status.currentRevision
	// was when the node was created. It is on each MesosNode of a pool.
	LabelRevision = "k8sm.io/revision"
	// LabelAgentID holds the ID of the Mesos agent on which the Node was launched. It is on
	// each Node.
	LabelAgentID = "k8sm.io/agent-id"
	// LabelAgentHostname holds the agent's host name, with characters replaced that a label
	// value cannot have. It is on each Node.
	LabelAgentHostname = "k8sm.io/agent-hostname"

	// LabelFrameworkSecret with the value "true" on a secret in the operator's namespace permits
	// that MesosFrameworks use it.
	LabelFrameworkSecret = "k8sm.io/framework-secret"

	// LabelNodeNames is on the ConfigMaps that hold the names of nodes for as long as a
	// certificate in one of them may be valid.
	LabelNodeNames = "k8sm.io/node-names"

	// AnnotationFrameworkID holds a second copy of status.frameworkID, because a status can
	// be lost. It is on each MesosFramework that was ever registered. While it exists, the
	// operator does not register the framework without an ID.
	AnnotationFrameworkID = "k8sm.io/framework-id"

	// AnnotationTemplateLabels lists the keys of the template's labels, separated by commas. It is
	// on each Node. An admission policy keeps kubelets from changing these labels.
	AnnotationTemplateLabels = "k8sm.io/template-labels"
	// AnnotationAppliedTemplate records which labels, annotations and taints the operator has put
	// on a Node because the template has them, as JSON. By it the operator can remove what the
	// template does not have any more, and keep what a person has put there. It is on each Node.
	AnnotationAppliedTemplate = "k8sm.io/applied-template"

	// AnnotationReplaces holds the name of the MesosNode that a MesosNode was created to
	// replace. The former is removed when the latter is ready.
	AnnotationReplaces = "k8sm.io/replaces"
	// AnnotationRestartedAt in the annotations of a pool's template makes all nodes outdated
	// when its value changes. kubectl mesos rollout restart sets it to the present time.
	AnnotationRestartedAt = "k8sm.io/restarted-at"
	// AnnotationDoNotDisrupt with the value "true" on a pod or a MesosNode keeps the
	// autoscaler from removing the node. A drain for another reason does not evict such a pod
	// before the time for the drain is nearly up. On a pod the value may also be a duration,
	// for which it counts from the start of the pod.
	AnnotationDoNotDisrupt = "k8sm.io/do-not-disrupt"

	// AnnotationDelete with the value "true" on a MesosNode has it go before others when its pool
	// gets fewer replicas. By itself it removes nothing.
	AnnotationDelete = "k8sm.io/delete"
	// AnnotationDeletionCost on a MesosNode is an integer of 32 bits. When its pool gets fewer
	// replicas, nodes of a lower cost go first. Nodes without it have the cost 0.
	AnnotationDeletionCost = "k8sm.io/deletion-cost"

	// AnnotationPreDrainHook is the prefix of the annotations of a MesosNode whose node is not
	// drained while one of them exists. The rest of the key is a name, and the value names
	// the owner of the hook to people.
	AnnotationPreDrainHook = "pre-drain.k8sm.io/"
	// AnnotationPreTerminateHook is the same for a node that is drained: its task is not killed
	// while one of them exists.
	AnnotationPreTerminateHook = "pre-terminate.k8sm.io/"

	// AnnotationForceRelease with the value "true" permits the deletion of a MesosNode
	// although Mesos has not confirmed that its task ended. On a MesosFramework, it permits
	// the deletion although no master has accepted the TEARDOWN call. The tasks may still
	// be running, so a person sets it only if the host or the Mesos cluster no longer exists.
	AnnotationForceRelease = "k8sm.io/force-release"

	// AnnotationForgetAgentFailures on a MesosFramework has all agents used again that are left
	// alone after failures. The operator removes it when that is done.
	AnnotationForgetAgentFailures = "k8sm.io/forget-agent-failures"
)

// TaintOutdated is the key of the taint PreferNoSchedule that a Node has while it waits to be
// replaced: pods that are evicted elsewhere are rather placed on nodes that stay.
const TaintOutdated = "k8sm.io/outdated"

// TaintDisrupted is the key of the taint that the autoscaler puts on a Node that it is about to
// remove, with the effect NoSchedule and the time in seconds since 1970 as its value. The taint
// disappears if the node is needed after all.
const TaintDisrupted = "k8sm.io/disrupted"

// TaintUnregistered is the key of the taint with which a kubelet registers its Node, with the
// effect NoSchedule. The operator removes it in the write that sets the labels, annotations and
// taints of the Node, so no pod is scheduled by labels that a kubelet chose.
//
// The effect is not NoExecute. A kubelet rejects pods that do not tolerate such a taint by the
// copy of its Node that it has, which may be older than the removal.
const TaintUnregistered = "k8sm.io/unregistered"

// Finalizers.
const (
	// FinalizerRelease keeps a MesosNode until it is drained, its task is known to
	// have ended, and its Node is deleted.
	FinalizerRelease = "k8sm.io/release"
	// FinalizerNodes keeps a MesosNodePool until its last MesosNode is gone.
	FinalizerNodes = "k8sm.io/nodes"
	// FinalizerTeardown keeps a MesosFramework until its pools are gone and a Mesos master
	// has accepted the TEARDOWN call.
	FinalizerTeardown = "k8sm.io/teardown"
)

// BootstrapGroup is the group of the bootstrap tokens of k8sm, in addition to
// system:bootstrappers. RBAC permits the group to create certificate signing requests.
const BootstrapGroup = "system:bootstrappers:k8sm"

// ProviderIDPrefix is the prefix of the provider ID of each Node. The whole ID is
// mesos://<agent ID>/<task ID>.
const ProviderIDPrefix = "mesos://"
