package v1alpha1

// Conditions of a MesosFramework.
const (
	// ConditionReady is the summary of the other conditions. It is True when the object
	// matches its spec. All three resources have it.
	ConditionReady = "Ready"
	// ConditionSubscribed is True while a leading master streams events to the operator.
	ConditionSubscribed = "Subscribed"
	// ConditionSpecApplied is True when the framework in Mesos matches the spec. It is
	// False when the master keeps a value of an earlier subscription.
	ConditionSpecApplied = "SpecApplied"
	// ConditionMesosAuthenticated is False if masters or agents serve calls without
	// credentials. It is a warning, and does not affect Ready.
	ConditionMesosAuthenticated = "MesosAuthenticated"
	// ConditionCredentialsProtected is False while the operator sends credentials to masters
	// without TLS, or spec.masters holds a password. It exists only if spec.credentials is set
	// or there is such a password.
	ConditionCredentialsProtected = "CredentialsProtected"
	// ConditionSecretsLabelled is False if the spec names a secret without the label that
	// permits its use.
	ConditionSecretsLabelled = "SecretsLabelled"
	// ConditionAgentsUsable is False while agents are left alone because nodes failed on
	// them. The message names the agents and quotes what was reported.
	ConditionAgentsUsable = "AgentsUsable"
)

// Reasons of a MesosFramework's conditions.
const (
	// ReasonSubscribed: the master accepted the subscription.
	ReasonSubscribed = "Subscribed"
	// ReasonConnecting: the operator is trying to subscribe, and no error is known.
	ReasonConnecting = "Connecting"
	// ReasonReconcilingTasks: the operator has subscribed and waits for the end of the task
	// reconciliation; it launches nothing before that.
	ReasonReconcilingTasks = "ReconcilingTasks"
	// ReasonMasterUnreachable: no master answered; the message has the error of each master.
	ReasonMasterUnreachable = "MasterUnreachable"
	// ReasonNoLeader: masters answer, but none leads yet (503).
	ReasonNoLeader = "NoLeader"
	// ReasonTooManyRedirects: the masters redirect to each other without end.
	ReasonTooManyRedirects = "TooManyRedirects"
	// ReasonUnauthorized: the master refused the credentials (401 or 403).
	ReasonUnauthorized = "Unauthorized"
	// ReasonMasterCertificateInvalid: the operator does not accept the certificate of a master;
	// the message has the remedy.
	ReasonMasterCertificateInvalid = "MasterCertificateInvalid"
	// ReasonClientCertificateRefused: a master refused the operator's certificate, or wants one.
	ReasonClientCertificateRefused = "ClientCertificateRefused"
	// ReasonConnectionClosed: a master closed the TLS connection without an answer; the message
	// names what it may want.
	ReasonConnectionClosed = "ConnectionClosed"
	// ReasonNotAMesosMaster: the server at the address does not implement the scheduler API.
	ReasonNotAMesosMaster = "NotAMesosMaster"
	// ReasonProtocolError: the stream contained data that is not RecordIO or not an event.
	ReasonProtocolError = "ProtocolError"
	// ReasonRefused: the master answered ERROR; the message is the master's.
	ReasonRefused = "Refused"
	// ReasonFrameworkRemoved: Mesos removed the framework, by a teardown or after the failover timeout.
	ReasonFrameworkRemoved = "FrameworkRemoved"
	// ReasonFailedOver: another scheduler subscribed with the same framework ID.
	ReasonFailedOver = "FailedOver"
	// ReasonSecretNotFound: a secret that the spec names does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid: a secret lacks a key, or a key's value cannot be used.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonNotLeading: this operator is no longer the elected leader, so it does not subscribe.
	ReasonNotLeading = "NotLeading"
	// ReasonFrameworkIDLost: the framework was registered before, and its ID is missing from
	// the status; the message has the remedy.
	ReasonFrameworkIDLost = "FrameworkIDLost"
	// ReasonFrameworkIDConflict: the nodes run under another ID than spec.frameworkID.
	ReasonFrameworkIDConflict = "FrameworkIDConflict"
	// ReasonSpecApplied: the framework in Mesos matches the spec.
	ReasonSpecApplied = "SpecApplied"
	// ReasonKeptByMaster: the master keeps a value of an earlier subscription; the message
	// names it.
	ReasonKeptByMaster = "KeptByMaster"
	// ReasonAnonymousCallsRefused: the master refuses calls without credentials.
	ReasonAnonymousCallsRefused = "AnonymousCallsRefused"
	// ReasonAnonymousCallsServed: masters or agents serve calls without credentials; the
	// message names them and the flags of Mesos.
	ReasonAnonymousCallsServed = "AnonymousCallsServed"
	// ReasonAccessUnknown: the master could not be asked whether it serves such calls.
	ReasonAccessUnknown = "AccessUnknown"
	// ReasonCredentialsProtected: credentials go to masters over TLS only.
	ReasonCredentialsProtected = "CredentialsProtected"
	// ReasonPlainTextCredentials: credentials are sent to masters in plain text.
	ReasonPlainTextCredentials = "PlainTextCredentials"
	// ReasonPasswordInAddress: spec.masters holds a password for ZooKeeper.
	ReasonPasswordInAddress = "PasswordInAddress"
	// ReasonSecretsLabelled: no secret that the spec names lacks the label.
	ReasonSecretsLabelled = "SecretsLabelled"
	// ReasonSecretNotLabelled: a secret that the spec names lacks the label; the message has
	// the command that labels it.
	ReasonSecretNotLabelled = "SecretNotLabelled"
	// ReasonAgentsUsable: no agent is left alone.
	ReasonAgentsUsable = "AgentsUsable"
	// ReasonAgentsBackingOff: nodes failed on some agents, which are not used for a while.
	ReasonAgentsBackingOff = "AgentsBackingOff"
	// ReasonDuplicateFramework: an older MesosFramework has the same masters, name and roles.
	ReasonDuplicateFramework = "DuplicateFramework"
	// ReasonInUse: deletion waits for the pools or nodes that still refer to the framework.
	ReasonInUse = "InUse"
	// ReasonTearingDown: deletion waits until a master accepts the TEARDOWN call.
	ReasonTearingDown = "TearingDown"
)

// Conditions of a MesosNodePool, beside Ready.
const (
	// ConditionFrameworkReady is True when the MesosFramework that the pool names exists and is Ready.
	ConditionFrameworkReady = "FrameworkReady"
	// ConditionTemplateValid is False when no node can be created from the pool's template.
	// The message has the reasons.
	ConditionTemplateValid = "TemplateValid"
	// ConditionCapacityAvailable is False when no offer fits a node that the pool needs.
	// The message describes the closest offer.
	ConditionCapacityAvailable = "CapacityAvailable"
	// ConditionPlacementValid exists on pools that were stored before the schema refused what
	// it warns of. It is False when a constraint can never have the meaning that it seems to.
	ConditionPlacementValid = "PlacementValid"
	// ConditionAutoscalingPermitted exists on pools with autoscaling. It is False when the
	// operator lacks rights that autoscaling needs.
	ConditionAutoscalingPermitted = "AutoscalingPermitted"
)

// ConditionUpToDate of a MesosNodePool is True when all its nodes are of the current revision,
// and no node waits to be replaced for another reason.
const ConditionUpToDate = "UpToDate"

// Reasons of the condition UpToDate.
const (
	// ReasonUpToDate: all nodes are of the current revision, and none waits to be replaced.
	ReasonUpToDate = "UpToDate"
	// ReasonReplacing: nodes are being replaced.
	ReasonReplacing = "Replacing"
	// ReasonRolloutPaused: spec.paused or spec.rollout.paused holds the replacement back.
	ReasonRolloutPaused = "RolloutPaused"
	// ReasonOnDelete: outdated nodes stay, because spec.rollout.strategy is OnDelete.
	ReasonOnDelete = "OnDelete"
	// ReasonWaitingForBudget: a disruption budget, or maxUnavailable, holds the replacement
	// back.
	ReasonWaitingForBudget = "WaitingForBudget"
	// ReasonWaitingForCapacity: Mesos has no room for the new nodes, and none may be removed
	// before.
	ReasonWaitingForCapacity = "WaitingForCapacity"
	// ReasonCreationBlocked: no node can be created, so that none is replaced.
	ReasonCreationBlocked = "CreationBlocked"
	// ReasonProgressDeadlineExceeded: no further node became up to date for longer than
	// spec.rollout.progressDeadline.
	ReasonProgressDeadlineExceeded = "ProgressDeadlineExceeded"
	// ReasonBudgetInvalid: the schedule of a disruption budget cannot be read or never comes,
	// so that no node is removed voluntarily.
	ReasonBudgetInvalid = "BudgetInvalid"
)

// ConditionRepairPermitted is False while no node of a MesosNodePool, or of one of its zones, is
// replaced although it does not work.
const ConditionRepairPermitted = "RepairPermitted"

// Reasons of the condition RepairPermitted.
const (
	// ReasonFewUnhealthy: no more nodes are unhealthy than spec.repair.maxUnhealthy; those that
	// do not recover are replaced.
	ReasonFewUnhealthy = "FewUnhealthy"
	// ReasonTooManyUnhealthy: more nodes of the pool, or of a zone, are unhealthy than
	// spec.repair.maxUnhealthy; none of them is replaced. It is also an event.
	ReasonTooManyUnhealthy = "TooManyUnhealthy"
	// ReasonRepairDisabled: spec.repair.maxUnhealthy is 0.
	ReasonRepairDisabled = "RepairDisabled"
	// ReasonRepairRuleInvalid: a rule matches every node that works, and is not applied; the
	// others are.
	ReasonRepairRuleInvalid = "RepairRuleInvalid"
)

// ConditionKubeletCurrent is True when the running kubelet is the one that the pool's
// template names. On a MesosNodePool it covers the kubelets of all nodes. It exists only if
// kubelets are upgraded in place.
const ConditionKubeletCurrent = "KubeletCurrent"

// Reasons of the condition KubeletCurrent.
const (
	// ReasonKubeletCurrent: the running kubelet is the requested one.
	ReasonKubeletCurrent = "KubeletCurrent"
	// ReasonKubeletUpgrading: the kubelet is being upgraded; the message has the progress.
	ReasonKubeletUpgrading = "KubeletUpgrading"
	// ReasonKubeletRefused: the requested kubelet cannot replace the running one, or it was
	// rolled back; the message has the reason.
	ReasonKubeletRefused = "KubeletRefused"
	// ReasonKubeletNotReplaceable: the kubelet cannot be upgraded in place; the node has to
	// be replaced.
	ReasonKubeletNotReplaceable = "KubeletNotReplaceable"
)

// Reasons of a MesosNodePool's conditions.
const (
	// ReasonAllNodesReady: as many nodes are ready as the spec requests.
	ReasonAllNodesReady = "AllNodesReady"
	// ReasonScalingUp: nodes are being created or are not ready yet.
	ReasonScalingUp = "ScalingUp"
	// ReasonScalingDown: nodes are being drained and released.
	ReasonScalingDown = "ScalingDown"
	// ReasonNodesNotReady: all nodes exist, and some of them are not ready.
	ReasonNodesNotReady = "NodesNotReady"
	// ReasonPaused: spec.paused is true; nothing is created or removed.
	ReasonPaused = "Paused"
	// ReasonDeleting: the pool is being deleted; the message names the objects that it waits for.
	ReasonDeleting = "Deleting"
	// ReasonFrameworkNotFound: no MesosFramework has the name in spec.frameworkRef.
	ReasonFrameworkNotFound = "FrameworkNotFound"
	// ReasonFrameworkNotReady: the MesosFramework exists and is not Ready.
	ReasonFrameworkNotReady = "FrameworkNotReady"
	// ReasonFrameworkReady: the MesosFramework is Ready.
	ReasonFrameworkReady = "FrameworkReady"
	// ReasonRoleNotSubscribed: spec.placement.role is not one of the framework's roles.
	ReasonRoleNotSubscribed = "RoleNotSubscribed"
	// ReasonTemplateValid: the template has no errors.
	ReasonTemplateValid = "TemplateValid"
	// ReasonKubeletConfigInvalid: template.spec.kubelet.config cannot be a kubelet's
	// configuration; the message has each reason. It is also on a MesosNode.
	ReasonKubeletConfigInvalid = "KubeletConfigInvalid"
	// ReasonStaticPodsInvalid: a kubelet would not run the pods in
	// template.spec.kubelet.staticPods; the message has each reason. It is also on a MesosNode.
	ReasonStaticPodsInvalid = "StaticPodsInvalid"
	// ReasonRuntimeVersionUnknown: the operator's catalogue has no runtime of the name in
	// template.spec.runtime.version; the message has the names that it has. It is also on a
	// MesosNode.
	ReasonRuntimeVersionUnknown = "RuntimeVersionUnknown"
	// ReasonKubeletVersionSkew: the kubelet of the runtime is newer than the API server, or
	// older than it supports; the message has both versions. It is also on a MesosNode.
	ReasonKubeletVersionSkew = "KubeletVersionSkew"
	// ReasonPasswordInURI: nodes can be made of the template, and URIs of its artifacts hold a
	// user name or a password; the message names them.
	ReasonPasswordInURI = "PasswordInURI"
	// ReasonArtifactsNotAllowed: template.spec.runtime.artifacts has artifacts from places that
	// the operator's --node-runtime file does not allow; the message names them. It is also on
	// a MesosNode.
	ReasonArtifactsNotAllowed = "ArtifactsNotAllowed"
	// ReasonCapacityAvailable: no node is waiting for an offer that fits.
	ReasonCapacityAvailable = "CapacityAvailable"
	// ReasonNoFittingOffer: some agents are large enough for the node, but their present offers do not fit.
	ReasonNoFittingOffer = "NoFittingOffer"
	// ReasonExceedsLargestAgent: no agent of the cluster could ever hold the node.
	ReasonExceedsLargestAgent = "ExceedsLargestAgent"
	// ReasonUnknownAttribute: a constraint names an attribute with @ that does not exist.
	ReasonUnknownAttribute = "UnknownAttribute"
	// ReasonAutoscalingPermitted: the operator may read what autoscaling needs.
	ReasonAutoscalingPermitted = "AutoscalingPermitted"
	// ReasonAutoscalingNotPermitted: the operator lacks a right that autoscaling needs; the
	// message names the right, and the ClusterRole that grants it.
	ReasonAutoscalingNotPermitted = "AutoscalingNotPermitted"
)

// Conditions of a MesosNode, beside Ready. They become True in this order.
const (
	// ConditionLaunched is True when Mesos has accepted the task and its executor reports.
	ConditionLaunched = "Launched"
	// ConditionRegistered is True when the Node object exists and has the provider ID of the
	// MesosNode.
	ConditionRegistered = "Registered"
	// ConditionCertificateShortLived exists once a client certificate was issued to the kubelet.
	// It is True if the certificate is valid for a month at most.
	ConditionCertificateShortLived = "CertificateShortLived"
	// ConditionDrained exists while the node is being removed. It is True when no pod is left
	// to evict.
	ConditionDrained = "Drained"
	// ConditionDisruptable exists on the nodes of pools with autoscaling. It is True when the
	// node is not needed. The message names what the removal waits for. In pools with replicas
	// it exists on nodes that are to be replaced, and is False until that is done.
	ConditionDisruptable = "Disruptable"
)

// Reasons of a MesosNode's conditions.
const (
	// ReasonWaitingForFramework: the framework is not ready to launch.
	ReasonWaitingForFramework = "WaitingForFramework"
	// ReasonWaitingForOffer: no offer fits yet; the message describes the closest one.
	ReasonWaitingForOffer = "WaitingForOffer"
	// ReasonIntentRecorded: an offer was chosen and the intent to launch was written; the launch follows.
	ReasonIntentRecorded = "IntentRecorded"
	// ReasonTaskStaging: Mesos accepted the launch; the agent fetches and starts the executor.
	ReasonTaskStaging = "TaskStaging"
	// ReasonTaskStarting: the executor runs and starts the container runtime and the kubelet.
	ReasonTaskStarting = "TaskStarting"
	// ReasonTaskRunning: the executor reports that the node runs.
	ReasonTaskRunning = "TaskRunning"
	// ReasonTaskUnreachable: the agent has lost its connection to the master; the task may come back.
	ReasonTaskUnreachable = "TaskUnreachable"
	// ReasonTaskEnded: the task ended; the message has the cause.
	ReasonTaskEnded = "TaskEnded"
	// ReasonTaskRejected: Mesos reports that the task can never run as requested (TASK_ERROR).
	ReasonTaskRejected = "TaskRejected"
	// ReasonBackingOff: the last attempt failed; the next one waits.
	ReasonBackingOff = "BackingOff"
	// ReasonArtifactsMissing: neither the pool nor the operator names an artifact that a node needs.
	ReasonArtifactsMissing = "ArtifactsMissing"
	// ReasonNameRetired: an earlier node of this name was removed, and somebody may hold a
	// certificate in its name that is still valid; the message has the time until then. It is
	// also on certificate signing requests that are made with such a certificate.
	ReasonNameRetired = "NameRetired"
	// ReasonNodeNotFound: the kubelet has not registered its Node yet.
	ReasonNodeNotFound = "NodeNotFound"
	// ReasonNodeRegistered: the Node exists and belongs to the MesosNode.
	ReasonNodeRegistered = "NodeRegistered"
	// ReasonNodeUpdateRefused: the API server refuses the labels, annotations and taints of the
	// Node; a Node that has just registered keeps its registration taint.
	ReasonNodeUpdateRefused = "NodeUpdateRefused"
	// ReasonNodeForeign: a Node of this name exists and does not belong to the MesosNode; the
	// operator does not change it.
	ReasonNodeForeign = "NodeForeign"
	// ReasonNodeDeleted: the Node was deleted by someone else while its kubelet runs.
	ReasonNodeDeleted = "NodeDeleted"
	// ReasonNodeReady: the Node is Ready.
	ReasonNodeReady = "NodeReady"
	// ReasonNodeNotReady: the Node is not Ready; the message is the kubelet's.
	ReasonNodeNotReady = "NodeNotReady"
	// ReasonShortLived: the certificate is valid for a month at most.
	ReasonShortLived = "ShortLived"
	// ReasonLongLived: the certificate is valid for longer, because no admission policy limits
	// it, nor does the cluster's signer.
	ReasonLongLived = "LongLived"
	// ReasonMaintenance: the agent's maintenance begins soon; the node is removed before it.
	ReasonMaintenance = "Maintenance"
	// ReasonAgentDraining: Mesos drains the agent, or ends the task for another reason of
	// its own; the node is removed from the agent.
	ReasonAgentDraining = "AgentDraining"
	// ReasonDraining: pods are being evicted; the message has their number, and the name
	// and the reason of each pod that cannot be evicted.
	ReasonDraining = "Draining"
	// ReasonDrained: no pod is left to evict.
	ReasonDrained = "Drained"
	// ReasonWaitingForHook: the removal waits until the annotations that the message names are
	// removed from the MesosNode.
	ReasonWaitingForHook = "WaitingForHook"
	// ReasonDrainTimedOut: the time for the drain passed with pods left, or with a hook in
	// place; the message has the limit.
	ReasonDrainTimedOut = "DrainTimedOut"
	// ReasonDetachingVolumes: the node is drained, or its task has ended, and volumes are still
	// attached to it; the message names them.
	ReasonDetachingVolumes = "DetachingVolumes"
	// ReasonTerminating: the operator has asked Mesos to end the task, and waits for Mesos to
	// confirm it.
	ReasonTerminating = "Terminating"
	// ReasonEmpty: the node has no pods other than static pods and pods of DaemonSets.
	ReasonEmpty = "Empty"
	// ReasonUnderutilized: the utilization of the node is below the pool's threshold.
	ReasonUnderutilized = "Underutilized"
	// ReasonUtilized: the node's pods need it, or the pool's policy keeps nodes with pods.
	ReasonUtilized = "Utilized"
	// ReasonPodsFitNowhereElse: the node is under-used, but a pod fits on no other node; the
	// message names the pod.
	ReasonPodsFitNowhereElse = "PodsFitNowhereElse"
	// ReasonPodHoldsNode: a pod on the node must not be evicted; the message names the pod
	// and the reason.
	ReasonPodHoldsNode = "PodHoldsNode"
	// ReasonDisruptionBudget: a PodDisruptionBudget permits no eviction from the node now.
	ReasonDisruptionBudget = "DisruptionBudget"
	// ReasonReplacesNode: the node takes the place of another, which is removed next.
	ReasonReplacesNode = "ReplacesNode"
	// ReasonWaitingForReplacement: the node is to be replaced, and a new node must be ready
	// first: its own, or those of nodes that are replaced before it.
	ReasonWaitingForReplacement = "WaitingForReplacement"
	// ReasonDoNotDisrupt: the MesosNode is annotated with k8sm.io/do-not-disrupt.
	ReasonDoNotDisrupt = "DoNotDisrupt"
)

// Reasons of the condition Approved or Denied on a CertificateSigningRequest.
const (
	// ReasonMatchesRecord: the request matches the record of its MesosNode.
	ReasonMatchesRecord = "MatchesRecord"
	// ReasonRequestMalformed: the content of the request is not a certificate request.
	ReasonRequestMalformed = "RequestMalformed"
	// ReasonRecordNotFound: no MesosNode has the requested name.
	ReasonRecordNotFound = "RecordNotFound"
	// ReasonTokenUnknown: the bootstrap token is not that of the MesosNode's current attempt.
	ReasonTokenUnknown = "TokenUnknown"
	// ReasonTokenSpent: the bootstrap token was used for another request before.
	ReasonTokenSpent = "TokenSpent"
	// ReasonTokenExpired: the request was made after the bootstrap token had expired.
	ReasonTokenExpired = "TokenExpired"
	// ReasonTaskNotLive: the MesosNode has no task that may run, or is being removed before it registered.
	ReasonTaskNotLive = "TaskNotLive"
	// ReasonCertificateSuperseded: the request was made with a certificate other than the one
	// that was issued to the node last.
	ReasonCertificateSuperseded = "CertificateSuperseded"
	// ReasonSubjectMismatch: the common name or the organization is not that of the node.
	ReasonSubjectMismatch = "SubjectMismatch"
	// ReasonGroupMismatch: the requestor is not in the group system:nodes.
	ReasonGroupMismatch = "GroupMismatch"
	// ReasonUsagesMismatch: the usages are not those of the signer's certificates.
	ReasonUsagesMismatch = "UsagesMismatch"
	// ReasonAlternativeNamesMismatch: the request has names or addresses that are not those of the node.
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
	// EventLaunchFailed: an attempt to launch the node failed; the note has the cause.
	EventLaunchFailed = "LaunchFailed"
	// EventRegistered: the kubelet registered its Node.
	EventRegistered = "Registered"
	// EventRegisteredWithoutTaint: the kubelet registered its Node without the taint that keeps
	// pods from it until its labels are set, or somebody removed the taint.
	EventRegisteredWithoutTaint = "RegisteredWithoutTaint"
	// EventReady: the Node is ready for the first time.
	EventReady = "Ready"
	// EventDraining: the Node was cordoned, and its pods are being evicted.
	EventDraining = "Draining"
	// EventEvictionBlocked: pods may not be evicted yet; the note names the pods and the reasons.
	EventEvictionBlocked = "EvictionBlocked"
	// EventPodWithoutController: pods are about to be evicted that no controller will create
	// again; the note names them.
	EventPodWithoutController = "PodWithoutController"
	// EventReleased: the node was removed, and its resources were returned to Mesos.
	EventReleased = "Released"
	// EventForceReleased: a person forced the deletion of the object although Mesos has not confirmed its end.
	EventForceReleased = "ForceReleased"
	// EventSubscribed: a master accepted the subscription of the framework.
	EventSubscribed = "Subscribed"
	// EventDisconnected: the framework has lost its subscription; the note has the reason.
	EventDisconnected = "Disconnected"
	// EventAgentBackingOff: a node failed on an agent, which all pools leave alone for a
	// while.
	EventAgentBackingOff = "AgentBackingOff"
	// EventTornDown: the framework was removed from Mesos.
	EventTornDown = "TornDown"
	// EventRecreated: Mesos had removed the framework, and the operator registers it again under another ID.
	EventRecreated = "Recreated"
	// EventNodeReplaced: a node is replaced; the note has the cause.
	EventNodeReplaced = "NodeReplaced"
	// EventDeletionCostInvalid: the annotation k8sm.io/deletion-cost of the MesosNode is no
	// integer; it counts as 0.
	EventDeletionCostInvalid = "DeletionCostInvalid"
	// EventTemplateInvalid: no node can be created from the pool's template; the note has the reason.
	EventTemplateInvalid = "TemplateInvalid"
	// EventKubeletUpgraded: the kubelet of the node was exchanged in place.
	EventKubeletUpgraded = "KubeletUpgraded"
	// EventKubeletRefused: the requested kubelet cannot replace the running one.
	EventKubeletRefused = "KubeletRefused"
	// EventTriggeredScaleUp: a node is created for the pod that the event is on.
	EventTriggeredScaleUp = "TriggeredScaleUp"
	// EventNotTriggeredScaleUp: no node is created for the pod that the event is on; the note
	// has the reason.
	EventNotTriggeredScaleUp = "NotTriggeredScaleUp"
	// EventRemovedNodeReturned: a Node came back under the name of a node that was removed, and
	// was deleted. Somebody holds the certificate of that node.
	EventRemovedNodeReturned = "RemovedNodeReturned"
	// EventCSRApproved: a certificate signing request of the node was approved.
	EventCSRApproved = "CertificateApproved"
	// EventCSRDenied: a certificate signing request was denied; the note has the reason.
	EventCSRDenied = "CertificateDenied"
)
