package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Rollout sets how a change of the template reaches running nodes. Labels, annotations and
// taints of the template reach them in place. Everything else needs another node, except the
// kubelet if rollout.kubelet is InPlace.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxSurge) || !has(self.maxUnavailable) || !(string(self.maxSurge) in ['0', '0%']) || !(string(self.maxUnavailable) in ['0', '0%'])",fieldPath=.maxUnavailable,message="maxSurge and maxUnavailable cannot both be 0: no node could be replaced"
// +kubebuilder:validation:XValidation:rule="!has(self.kubelet) || !has(self.maxUnavailable) || self.kubelet != 'InPlace' || !(string(self.maxUnavailable) in ['0', '0%'])",fieldPath=.maxUnavailable,message="maxUnavailable cannot be 0 while kubelet is InPlace: a node is unavailable while its kubelet is exchanged"
type Rollout struct {
	// strategy sets what happens to nodes that a change of the template made outdated.
	// RollingReplacement replaces them a few at a time, as maxSurge, maxUnavailable and the
	// disruption budgets permit. OnDelete leaves them until a person, or another cause,
	// removes them. Defaults to RollingReplacement.
	//
	// +kubebuilder:validation:Enum=RollingReplacement;OnDelete
	// +kubebuilder:default=RollingReplacement
	// +optional
	Strategy RolloutStrategy `json:"strategy,omitempty"`

	// maxSurge is the greatest number of nodes beyond the size of the pool during a
	// replacement: a number, or a percentage of the pool's nodes, rounded up. The new node
	// is Ready before the old one is drained. Defaults to 10%.
	//
	// +kubebuilder:default="10%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : self.matches('^(100|[1-9]?[0-9])%$')",message="maxSurge must be a number that is not negative, or a percentage between 0% and 100%"
	// +optional
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// maxUnavailable is the greatest number of the pool's nodes that may be missing, not
	// Ready, or in an upgrade of the kubelet: a number, or a percentage of the pool's nodes,
	// rounded up. Where Mesos has no room for a surge, old nodes are removed first, within
	// this number. No upgrade of a kubelet begins while there are more. Defaults to 1.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : self.matches('^(100|[1-9]?[0-9])%$')",message="maxUnavailable must be a number that is not negative, or a percentage between 0% and 100%"
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// minReadySeconds is the time, in seconds, for which a new node must have been Ready
	// before the node that it replaces is drained. Defaults to 0.
	//
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	// +optional
	MinReadySeconds int32 `json:"minReadySeconds,omitempty"`

	// progressDeadline is the time after which a rollout counts as stuck if no further node
	// has become up to date. The pool's condition UpToDate then gives the cause. Defaults to
	// 30m.
	//
	// +kubebuilder:default="30m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="progressDeadline must be at least 1m: a node needs that long to start"
	// +optional
	ProgressDeadline *metav1.Duration `json:"progressDeadline,omitempty"`

	// paused stops the replacement of nodes and the upgrade of kubelets if it is true. What
	// was begun is finished. Defaults to false.
	//
	// +optional
	Paused bool `json:"paused,omitempty"`

	// kubelet sets what happens to running nodes when the template, or the operator's
	// --node-runtime file, has another artifact "kubelet". OnReplacement makes nodes with
	// another kubelet outdated, so that they are replaced. InPlace exchanges the kubelet
	// while the pods keep running, if the new kubelet has the same minor version. If the
	// new kubelet does not make its Node Ready, the operator rolls it back and does not
	// install it on other nodes. Defaults to OnReplacement.
	//
	// +kubebuilder:validation:Enum=OnReplacement;InPlace
	// +kubebuilder:default=OnReplacement
	// +optional
	Kubelet KubeletRollout `json:"kubelet,omitempty"`
}

// RolloutStrategy sets what happens to outdated nodes.
type RolloutStrategy string

// The strategies.
const (
	// RollingReplacement replaces outdated nodes, a few at a time.
	RollingReplacement RolloutStrategy = "RollingReplacement"
	// OnDelete leaves outdated nodes until something else removes them.
	OnDelete RolloutStrategy = "OnDelete"
)

// KubeletRollout sets how another kubelet reaches running nodes.
type KubeletRollout string

// The ways of rolling a kubelet out.
const (
	// KubeletOnReplacement replaces the nodes.
	KubeletOnReplacement KubeletRollout = "OnReplacement"
	// KubeletInPlace exchanges the kubelets of running nodes.
	KubeletInPlace KubeletRollout = "InPlace"
)

// Disruption sets when nodes are removed that could stay, and how many at a time.
type Disruption struct {
	// expireAfter is the age at which a node is replaced. Up to a tenth of it is taken off,
	// by another amount for each node, so that the nodes of a pool do not expire together.
	// If it is not set, nodes do not expire.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10m')",message="expireAfter must be at least 10m: a node needs time to start and to be drained"
	// +optional
	ExpireAfter *metav1.Duration `json:"expireAfter,omitempty"`

	// budgets bound the number of the pool's nodes that are disrupted at the same time.
	// Nodes that are leaving and nodes that have ceased to be Ready count, whatever the
	// cause. A voluntary removal must be within each budget that names its reason. If no
	// budget is set, 10% of the nodes may be disrupted, for each reason except ScaleIn.
	//
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +listType=atomic
	// +optional
	Budgets []DisruptionBudget `json:"budgets,omitempty"`
}

// DisruptionBudget bounds the number of nodes that are disrupted at the same time.
//
// +kubebuilder:validation:XValidation:rule="has(self.schedule) == has(self.duration)",message="schedule and duration must be set together: the budget applies for the duration after each time of the schedule"
type DisruptionBudget struct {
	// nodes is the greatest number of nodes: a number, or a percentage of the pool's nodes,
	// rounded up. With 0, no node is removed for these reasons while the budget applies.
	//
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:Pattern=`^(100|[1-9]?[0-9])%$`
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 : true",message="nodes must be a number that is not negative, or a percentage between 0% and 100%"
	Nodes intstr.IntOrString `json:"nodes"`

	// reasons are the reasons for which the budget applies: Outdated (the template changed),
	// Drifted (the agent, or the node's shape, is not what the pool asks for), Expired, Empty and
	// Underutilized (the autoscaler removes the node), ScaleIn (replicas became fewer) and
	// Maintenance (the agent will be unavailable). If none is given, the budget applies for
	// every reason.
	//
	// +kubebuilder:validation:MaxItems=7
	// +listType=set
	// +optional
	Reasons []DisruptionReason `json:"reasons,omitempty"`

	// schedule is the time at which the budget begins to apply, in the form of cron
	// (minute, hour, day of the month, month, day of the week) in UTC, or one of @yearly,
	// @monthly, @weekly, @daily and @hourly. If it is not set, the budget always applies.
	//
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|[0-9*/,-]+ [0-9*/,-]+ [0-9*/,?-]+ [0-9A-Za-z*/,-]+ [0-9A-Za-z*/,?-]+)$')",message="schedule must have the five fields of cron, for example '0 9 * * mon-fri', or be one of @yearly, @monthly, @weekly, @daily and @hourly"
	// +optional
	Schedule string `json:"schedule,omitempty"`

	// duration is the time for which the budget applies after each time of the schedule.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="duration must be at least 1m: schedules count in minutes"
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`
}

// DisruptionReason is the reason of a voluntary removal.
//
// +kubebuilder:validation:Enum=Outdated;Drifted;Expired;Empty;Underutilized;ScaleIn;Maintenance
type DisruptionReason string

// The reasons of voluntary removals.
const (
	// DisruptionOutdated: the node was made from another template.
	DisruptionOutdated DisruptionReason = "Outdated"
	// DisruptionDrifted: the agent, or the node's shape, is not what the pool asks for.
	DisruptionDrifted DisruptionReason = "Drifted"
	// DisruptionExpired: the node is older than expireAfter.
	DisruptionExpired DisruptionReason = "Expired"
	// DisruptionEmpty: the autoscaler removes a node without pods.
	DisruptionEmpty DisruptionReason = "Empty"
	// DisruptionUnderutilized: the autoscaler removes a node whose pods fit elsewhere.
	DisruptionUnderutilized DisruptionReason = "Underutilized"
	// DisruptionScaleIn: the pool is to have fewer nodes.
	DisruptionScaleIn DisruptionReason = "ScaleIn"
	// DisruptionMaintenance: the agent will be unavailable.
	DisruptionMaintenance DisruptionReason = "Maintenance"
)

// DeletionOrder decides which nodes go first when a pool gets fewer replicas and nothing else
// distinguishes them.
type DeletionOrder string

// The orders of deletion.
const (
	// DeletionNewest: the newest node goes first.
	DeletionNewest DeletionOrder = "Newest"
	// DeletionOldest: the oldest node goes first.
	DeletionOldest DeletionOrder = "Oldest"
)
