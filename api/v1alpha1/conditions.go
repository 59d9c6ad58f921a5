package v1alpha1

// Conditions of a MesosFramework.
const (
	// ConditionReady sums up: True means that the object does what its spec says.
	// It is on all three resources.
	ConditionReady = "Ready"
	// ConditionSubscribed is True while a leading master streams events to us.
	ConditionSubscribed = "Subscribed"
	// ConditionSpecApplied is True when Mesos has the framework as the spec says. It is
	// False when the master keeps something of an earlier subscription.
	ConditionSpecApplied = "SpecApplied"
)

// Reasons of a MesosFramework's conditions.
const (
	// ReasonSubscribed: the master accepted the subscription.
	ReasonSubscribed = "Subscribed"
	// ReasonConnecting: a subscription is being tried; nothing is known to be wrong.
	ReasonConnecting = "Connecting"
	// ReasonReconcilingTasks: subscribed; asking the master what became of the tasks we know, before any launch.
	ReasonReconcilingTasks = "ReconcilingTasks"
	// ReasonMasterUnreachable: no master answered; the message has each one's error.
	ReasonMasterUnreachable = "MasterUnreachable"
	// ReasonNoLeader: masters answer, but none leads yet (503).
	ReasonNoLeader = "NoLeader"
	// ReasonTooManyRedirects: masters send us round in circles.
	ReasonTooManyRedirects = "TooManyRedirects"
	// ReasonUnauthorized: the master refused the credentials (401 or 403).
	ReasonUnauthorized = "Unauthorized"
	// ReasonNotAMesosMaster: what answers does not speak the scheduler API.
	ReasonNotAMesosMaster = "NotAMesosMaster"
	// ReasonProtocolError: the stream held something that is not RecordIO or not an event.
	ReasonProtocolError = "ProtocolError"
	// ReasonRefused: the master answered ERROR; the message is the master's.
	ReasonRefused = "Refused"
	// ReasonFrameworkRemoved: the framework ID was removed (torn down, or its failover timeout passed).
	ReasonFrameworkRemoved = "FrameworkRemoved"
	// ReasonFailedOver: another scheduler subscribed with our framework ID.
	ReasonFailedOver = "FailedOver"
	// ReasonSecretNotFound: a secret that the spec names does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid: a secret lacks a key, or a key's value cannot be used.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonNotLeading: this operator may not lead any more, so it does not subscribe.
	ReasonNotLeading = "NotLeading"
	// ReasonFrameworkIDLost: the framework was registered before, and the status does not
	// say under which ID; the message says what to do.
	ReasonFrameworkIDLost = "FrameworkIDLost"
	// ReasonFrameworkIDConflict: spec.frameworkID is not the ID that the nodes run under.
	ReasonFrameworkIDConflict = "FrameworkIDConflict"
	// ReasonSpecApplied: Mesos has the framework as the spec says.
	ReasonSpecApplied = "SpecApplied"
	// ReasonKeptByMaster: the master keeps something of an earlier subscription; the
	// message says what.
	ReasonKeptByMaster = "KeptByMaster"
	// ReasonDuplicateFramework: an older MesosFramework has the same masters, name and roles.
	ReasonDuplicateFramework = "DuplicateFramework"
	// ReasonInUse: deletion waits for the pools or nodes that still refer to the framework.
	ReasonInUse = "InUse"
	// ReasonTearingDown: deletion waits for the master to take TEARDOWN.
	ReasonTearingDown = "TearingDown"
)

// Conditions of a MesosNodePool, beside Ready.
const (
	// ConditionFrameworkReady is True when the MesosFramework that the pool names exists and is Ready.
	ConditionFrameworkReady = "FrameworkReady"
	// ConditionTemplateValid is False when nodes cannot be made of the pool's template;
	// the message says what is wrong.
	ConditionTemplateValid = "TemplateValid"
	// ConditionCapacityAvailable is False when Mesos offers nothing that fits a
	// node that is wanted; the message says what comes nearest.
	ConditionCapacityAvailable = "CapacityAvailable"
)

// ConditionKubeletCurrent is True when the kubelet runs that the pool's template names: on
// a MesosNode its own, on a MesosNodePool those of all its nodes. It is there only where
// kubelets are upgraded in place.
const ConditionKubeletCurrent = "KubeletCurrent"

// Reasons of the condition KubeletCurrent.
const (
	// ReasonKubeletCurrent: the kubelet runs that is asked for.
	ReasonKubeletCurrent = "KubeletCurrent"
	// ReasonKubeletUpgrading: another kubelet is on its way; the message says how far.
	ReasonKubeletUpgrading = "KubeletUpgrading"
	// ReasonKubeletRefused: the kubelet that is asked for cannot take the place of the one
	// that runs, or was rolled back; the message says why.
	ReasonKubeletRefused = "KubeletRefused"
	// ReasonKubeletNotReplaceable: the kubelet cannot be upgraded in place; the node has to
	// be replaced.
	ReasonKubeletNotReplaceable = "KubeletNotReplaceable"
)

// Reasons of a MesosNodePool's conditions.
const (
	// ReasonAllNodesReady: as many nodes are ready as the spec asks for.
	ReasonAllNodesReady = "AllNodesReady"
	// ReasonScalingUp: nodes are being created or are on their way.
	ReasonScalingUp = "ScalingUp"
	// ReasonScalingDown: nodes are being drained and released.
	ReasonScalingDown = "ScalingDown"
	// ReasonNodesNotReady: the nodes are there, and some of them are not ready.
	ReasonNodesNotReady = "NodesNotReady"
	// ReasonPaused: spec.paused is true; nothing is created or removed.
	ReasonPaused = "Paused"
	// ReasonDeleting: the pool is being deleted; the message says what it waits for.
	ReasonDeleting = "Deleting"
	// ReasonFrameworkNotFound: no MesosFramework has the name in spec.frameworkRef.
	ReasonFrameworkNotFound = "FrameworkNotFound"
	// ReasonFrameworkNotReady: the MesosFramework exists and is not Ready.
	ReasonFrameworkNotReady = "FrameworkNotReady"
	// ReasonFrameworkReady: the MesosFramework is Ready.
	ReasonFrameworkReady = "FrameworkReady"
	// ReasonRoleNotSubscribed: spec.placement.role is not one of the framework's roles.
	ReasonRoleNotSubscribed = "RoleNotSubscribed"
	// ReasonTemplateValid: nothing is wrong with the template.
	ReasonTemplateValid = "TemplateValid"
	// ReasonKubeletConfigInvalid: template.spec.kubelet.config cannot be a kubelet's
	// configuration; the message has each reason. It is also on a MesosNode.
	ReasonKubeletConfigInvalid = "KubeletConfigInvalid"
	// ReasonStaticPodsInvalid: a kubelet would not run what is in
	// template.spec.kubelet.staticPods; the message has each reason. It is also on a MesosNode.
	ReasonStaticPodsInvalid = "StaticPodsInvalid"
	// ReasonCapacityAvailable: no node waits for want of an offer that fits.
	ReasonCapacityAvailable = "CapacityAvailable"
	// ReasonNoFittingOffer: there are agents that could hold the node, but what they offer now does not fit.
	ReasonNoFittingOffer = "NoFittingOffer"
	// ReasonExceedsLargestAgent: no agent of the cluster could ever hold the node.
	ReasonExceedsLargestAgent = "ExceedsLargestAgent"
)

// Conditions of a MesosNode, beside Ready. They become True in this order.
const (
	// ConditionLaunched is True when Mesos has taken the task and its executor reports.
	ConditionLaunched = "Launched"
	// ConditionRegistered is True when the Node object exists and bears our provider ID.
	ConditionRegistered = "Registered"
	// ConditionDrained appears when the node is going: True when no pod is left to evict.
	ConditionDrained = "Drained"
	// ConditionDisruptable is on the nodes of pools with autoscaling: True when nobody would
	// miss the node. The message says what is waited for before it goes.
	ConditionDisruptable = "Disruptable"
)

// Reasons of a MesosNode's conditions.
const (
	// ReasonWaitingForFramework: the framework is not ready to launch.
	ReasonWaitingForFramework = "WaitingForFramework"
	// ReasonWaitingForOffer: no offer fits yet; the message says what comes nearest.
	ReasonWaitingForOffer = "WaitingForOffer"
	// ReasonIntentRecorded: an offer was chosen and the intent written; the launch follows.
	ReasonIntentRecorded = "IntentRecorded"
	// ReasonTaskStaging: Mesos took the launch; the agent fetches and starts the executor.
	ReasonTaskStaging = "TaskStaging"
	// ReasonTaskStarting: the executor runs and brings up runtime and kubelet.
	ReasonTaskStarting = "TaskStarting"
	// ReasonTaskRunning: the executor says that the node is up.
	ReasonTaskRunning = "TaskRunning"
	// ReasonTaskUnreachable: the agent is cut off from the master; the task may come back.
	ReasonTaskUnreachable = "TaskUnreachable"
	// ReasonTaskEnded: the task ended; the message says how.
	ReasonTaskEnded = "TaskEnded"
	// ReasonTaskRejected: Mesos says that the task can never run as asked (TASK_ERROR).
	ReasonTaskRejected = "TaskRejected"
	// ReasonBackingOff: the last attempt failed; the next one waits.
	ReasonBackingOff = "BackingOff"
	// ReasonArtifactsMissing: neither the pool nor the operator names an artifact that a node needs.
	ReasonArtifactsMissing = "ArtifactsMissing"
	// ReasonNodeNotFound: the kubelet has not registered its Node yet.
	ReasonNodeNotFound = "NodeNotFound"
	// ReasonNodeRegistered: the Node exists and is ours.
	ReasonNodeRegistered = "NodeRegistered"
	// ReasonNodeForeign: a Node of this name exists and is not ours; it is left alone.
	ReasonNodeForeign = "NodeForeign"
	// ReasonNodeDeleted: the Node was deleted by someone else while its kubelet runs.
	ReasonNodeDeleted = "NodeDeleted"
	// ReasonNodeReady: the Node is Ready.
	ReasonNodeReady = "NodeReady"
	// ReasonNodeNotReady: the Node is not Ready; the message is the kubelet's.
	ReasonNodeNotReady = "NodeNotReady"
	// ReasonMaintenance: the agent's maintenance begins soon; the node leaves it before.
	ReasonMaintenance = "Maintenance"
	// ReasonAgentDraining: Mesos drains the agent, or ends the task for another reason of
	// its own; the node leaves it.
	ReasonAgentDraining = "AgentDraining"
	// ReasonDraining: pods are being evicted; the message counts them, and names those that are held and why.
	ReasonDraining = "Draining"
	// ReasonDrained: no pod is left to evict.
	ReasonDrained = "Drained"
	// ReasonDrainTimedOut: spec.drain.timeout passed with pods left.
	ReasonDrainTimedOut = "DrainTimedOut"
	// ReasonTerminating: the task was told to end; waiting for Mesos to confirm.
	ReasonTerminating = "Terminating"
	// ReasonEmpty: no pod is on the node but those of DaemonSets and static ones.
	ReasonEmpty = "Empty"
	// ReasonUnderutilized: the node is used for less than the pool's threshold.
	ReasonUnderutilized = "Underutilized"
	// ReasonUtilized: the node's pods need it, or the pool's policy keeps nodes with pods.
	ReasonUtilized = "Utilized"
	// ReasonPodsFitNowhereElse: the node is under-used, but a pod fits on no other; the
	// message names it.
	ReasonPodsFitNowhereElse = "PodsFitNowhereElse"
	// ReasonPodHoldsNode: a pod on the node must not be disturbed; the message says which
	// and why.
	ReasonPodHoldsNode = "PodHoldsNode"
	// ReasonDisruptionBudget: a PodDisruptionBudget lets no pod of the node go now.
	ReasonDisruptionBudget = "DisruptionBudget"
	// ReasonDoNotDisrupt: the MesosNode is annotated with k8sm.io/do-not-disrupt.
	ReasonDoNotDisrupt = "DoNotDisrupt"
)

// Reasons of the condition Approved or Denied on a CertificateSigningRequest.
const (
	// ReasonMatchesRecord: the request is what the record of its MesosNode lets expect.
	ReasonMatchesRecord = "MatchesRecord"
	// ReasonRequestMalformed: what is to be signed is not a certificate request.
	ReasonRequestMalformed = "RequestMalformed"
	// ReasonRecordNotFound: there is no MesosNode of the name that is asked for.
	ReasonRecordNotFound = "RecordNotFound"
	// ReasonTokenUnknown: the bootstrap token is not that of the MesosNode's current attempt.
	ReasonTokenUnknown = "TokenUnknown"
	// ReasonTokenSpent: the bootstrap token was used for another request before.
	ReasonTokenSpent = "TokenSpent"
	// ReasonTokenExpired: the request was made after the bootstrap token's time.
	ReasonTokenExpired = "TokenExpired"
	// ReasonTaskNotLive: the MesosNode has no task that may run, or is going before it registered.
	ReasonTaskNotLive = "TaskNotLive"
	// ReasonSubjectMismatch: common name or organization are not the node's.
	ReasonSubjectMismatch = "SubjectMismatch"
	// ReasonGroupMismatch: the requestor is not in the group system:nodes.
	ReasonGroupMismatch = "GroupMismatch"
	// ReasonUsagesMismatch: the usages are not those of the signer's certificates.
	ReasonUsagesMismatch = "UsagesMismatch"
	// ReasonAlternativeNamesMismatch: names or addresses are asked for that are not the node's.
	ReasonAlternativeNamesMismatch = "AlternativeNamesMismatch"
)

// Reasons of events. An event that goes with a condition uses the same word.
const (
	// EventNodeCreated: MesosNodes of the pool were created.
	EventNodeCreated = "NodeCreated"
	// EventNodeRemoved: MesosNodes of the pool were deleted; they are drained and released.
	EventNodeRemoved = "NodeRemoved"
	// EventLaunched: the executor of the node runs.
	EventLaunched = "Launched"
	// EventLaunchFailed: an attempt to launch the node failed; the note says how.
	EventLaunchFailed = "LaunchFailed"
	// EventRegistered: the kubelet registered its Node.
	EventRegistered = "Registered"
	// EventReady: the Node is ready for the first time.
	EventReady = "Ready"
	// EventDraining: the Node was cordoned, and its pods are being evicted.
	EventDraining = "Draining"
	// EventEvictionBlocked: pods may not be evicted yet; the note says which and why.
	EventEvictionBlocked = "EvictionBlocked"
	// EventReleased: the node is gone, and its resources are back with Mesos.
	EventReleased = "Released"
	// EventForceReleased: a person let the object go although Mesos has not confirmed its end.
	EventForceReleased = "ForceReleased"
	// EventSubscribed: a master accepted the subscription of the framework.
	EventSubscribed = "Subscribed"
	// EventDisconnected: the framework has lost its subscription; the note says why.
	EventDisconnected = "Disconnected"
	// EventTornDown: the framework was removed from Mesos.
	EventTornDown = "TornDown"
	// EventRecreated: Mesos had removed the framework, and another registration is made.
	EventRecreated = "Recreated"
	// EventNodeReplaced: a node whose agent was cut off for too long is replaced.
	EventNodeReplaced = "NodeReplaced"
	// EventTemplateInvalid: no node can be made of the pool's template; the note says why.
	EventTemplateInvalid = "TemplateInvalid"
	// EventKubeletUpgraded: the kubelet of the node was exchanged in place.
	EventKubeletUpgraded = "KubeletUpgraded"
	// EventKubeletRefused: the kubelet that is asked for cannot take the place of the one that
	// runs.
	EventKubeletRefused = "KubeletRefused"
	// EventTriggeredScaleUp: on a pod: a node is made for it.
	EventTriggeredScaleUp = "TriggeredScaleUp"
	// EventNotTriggeredScaleUp: on a pod: no node is made for it; the note says why.
	EventNotTriggeredScaleUp = "NotTriggeredScaleUp"
	// EventCSRApproved: a certificate signing request of the node was approved.
	EventCSRApproved = "CertificateApproved"
	// EventCSRDenied: a certificate signing request was denied; the note says why.
	EventCSRDenied = "CertificateDenied"
)
