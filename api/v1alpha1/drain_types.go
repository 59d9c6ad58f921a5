package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Drain sets how the pods of a node are evicted before the node is removed. All fields but
// killGracePeriod are read from the pool at every step of a drain, so a change reaches
// drains that are under way within seconds.
//
// +kubebuilder:validation:XValidation:rule="!has(self.timeout) || !has(self.terminationGracePeriod) || duration(self.terminationGracePeriod) <= duration(self.timeout)",fieldPath=.terminationGracePeriod,message="terminationGracePeriod must not be longer than timeout: at timeout the node is removed with the pods that are left"
type Drain struct {
	// timeout is the time after the beginning of the drain at which the node is removed
	// even if pods are left on it. These end with the node, within killGracePeriod. If
	// neither timeout nor terminationGracePeriod is set, the drain waits for as long as a
	// PodDisruptionBudget, an annotation of a pod, or a hook holds it.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// terminationGracePeriod is the time after the beginning of the drain at which all
	// pods have ended, as in Karpenter. Each pod that is left is deleted so early that its
	// own grace period ends at this time. PodDisruptionBudgets, do-not-disrupt, rules and
	// hooks hold nothing up beyond that. The node is then removed; if timeout is set, it
	// is the time at which the node is removed although a pod has not ended.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +optional
	TerminationGracePeriod *metav1.Duration `json:"terminationGracePeriod,omitempty"`

	// priorityBands evict pods by their priority, the lowest first. A band has the pods
	// whose priority is at least its minPriority and below that of the next band; the
	// lowest band also has all pods below it. A band begins when the one before has no
	// pods left, or when the timeout of that one has passed.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=minPriority
	// +optional
	PriorityBands []PriorityBand `json:"priorityBands,omitempty"`

	// rules treat pods in other ways, by their labels. The first rule that matches a pod
	// counts. Static pods and pods of DaemonSets always end with their node.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +optional
	Rules []DrainRule `json:"rules,omitempty"`

	// killGracePeriod is the time that containers which are left on the node have to end
	// when its task is killed, from 5s to 2m. Mesos is told when the node is launched, so a
	// change applies to nodes that are created after it. Defaults to 30s.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('5s') && duration(self) <= duration('2m')",message="must be from 5s to 2m: the executor cleans up within it, and Mesos cuts a longer one short; set terminationGracePeriod to give pods more time"
	// +optional
	KillGracePeriod *metav1.Duration `json:"killGracePeriod,omitempty"`
}

// PriorityBand are pods that are evicted together, by their priority.
type PriorityBand struct {
	// minPriority is the lowest priority of a pod in the band.
	MinPriority int32 `json:"minPriority"`

	// timeout is the time after which the next band begins even if pods of this one are
	// left. Those are evicted together with the next band.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=duration
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(h|m|s|ms))+$`
	Timeout metav1.Duration `json:"timeout"`
}

// DrainRule sets how a drain treats the pods that it matches.
//
// +kubebuilder:validation:XValidation:rule="self.behavior != 'Skip' || !has(self.order) || self.order == 0",fieldPath=.order,message="order must not be set if behavior is Skip: such pods are not evicted"
type DrainRule struct {
	// name identifies the rule in messages.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// podSelector selects pods by their labels. If it is not set, the rule is for all pods
	// in the selected namespaces.
	//
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`

	// namespaceSelector selects the namespaces of pods by their labels. If it is not set,
	// the rule is for all namespaces.
	//
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// behavior is what is done with the pods: Drain evicts them, Skip leaves them until they
	// end with the node, and WaitCompleted waits until they have completed by themselves.
	// Defaults to Drain.
	//
	// +kubebuilder:validation:Enum=Drain;Skip;WaitCompleted
	// +kubebuilder:default=Drain
	// +optional
	Behavior DrainBehavior `json:"behavior,omitempty"`

	// order is the place of the pods in the drain. Pods with a higher order are evicted
	// when no pods with a lower one are left, within which priorityBands apply. Pods that
	// no rule matches have the order 0. Defaults to 0.
	//
	// +optional
	Order int32 `json:"order,omitempty"`
}

// DrainBehavior is what a drain does with a pod.
type DrainBehavior string

// The behaviors of rules.
const (
	// DrainBehaviorDrain evicts the pod.
	DrainBehaviorDrain DrainBehavior = "Drain"
	// DrainBehaviorSkip leaves the pod until it ends with the node.
	DrainBehaviorSkip DrainBehavior = "Skip"
	// DrainBehaviorWaitCompleted waits until the pod has completed.
	DrainBehaviorWaitCompleted DrainBehavior = "WaitCompleted"
)

// DrainStage are the pods that a drain evicts at a time, of one order and one priority band.
type DrainStage struct {
	// order is the order of the pods.
	Order int32 `json:"order"`

	// minPriority is that of the priority band; 0 if the pool has no bands.
	MinPriority int32 `json:"minPriority"`

	// startTime is the time when the stage began.
	StartTime metav1.Time `json:"startTime"`
}
