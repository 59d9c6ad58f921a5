package differential

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod returns a random pod. Most have one or two constraints, so that many fit somewhere.
func (s *scenarioBuilder) pod(name string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: s.Namespaces[min(s.IntN(4), 1)].Name,
		Labels: map[string]string{"app": s.app(), "version": oneOf(s.rng, "1", "2")},
	}}
	if s.oneIn(4) {
		pod.Labels["canary"] = "yes"
	}
	no := false
	pod.Spec = corev1.PodSpec{
		Containers:                   []corev1.Container{{Name: "main", Image: "busybox", Resources: s.resources()}},
		AutomountServiceAccountToken: &no,
		Tolerations:                  []corev1.Toleration{{Key: seedKey, Operator: corev1.TolerationOpEqual, Value: s.name, Effect: corev1.TaintEffectNoSchedule}},
	}
	if s.oneIn(3) {
		s.restrictToScenario(pod)
	}
	requirements := []func(*corev1.Pod){
		s.selectNodes, s.tolerate, s.takePorts, s.takePorts, s.addAffinity, s.addAntiAffinity, s.addAntiAffinity, s.addSpreadConstraints, s.addSpreadConstraints, s.addSpreadConstraints,
		s.mountClaims, s.mountClaims, s.mountDisk, s.addOverhead, s.setPriority, s.addSchedulingGate,
	}
	for range s.IntN(4) {
		oneOf(s.rng, requirements...)(pod)
	}
	return pod
}

// restrictToScenario adds a node selector, since some filters also look at nodes that the pod does
// not tolerate: they must not look at nodes of other scenarios.
func (s *scenarioBuilder) restrictToScenario(pod *corev1.Pod) {
	if pod.Spec.NodeSelector == nil {
		pod.Spec.NodeSelector = map[string]string{}
	}
	pod.Spec.NodeSelector[seedKey] = s.name
}

func (s *scenarioBuilder) resources() corev1.ResourceRequirements {
	wants := corev1.ResourceList{}
	if !s.oneIn(6) {
		wants[corev1.ResourceCPU] = s.quantity("10m", "100m", "500m", "1")
	}
	if s.oneIn(2) {
		wants[corev1.ResourceMemory] = s.quantity("10Mi", "512Mi", "1Gi")
	}
	if s.oneIn(6) {
		wants[corev1.ResourceEphemeralStorage] = s.quantity("100Mi", "1Gi")
	}
	if s.oneIn(15) {
		wants["example.com/gpu"] = s.quantity("1", "2")
		return corev1.ResourceRequirements{Requests: wants, Limits: corev1.ResourceList{"example.com/gpu": wants["example.com/gpu"]}}
	}
	return corev1.ResourceRequirements{Requests: wants}
}

// addOverhead makes the pod need more than the sum of its containers' requests.
func (s *scenarioBuilder) addOverhead(pod *corev1.Pod) {
	if pod.Spec.Resources != nil || len(pod.Spec.Containers)+len(pod.Spec.InitContainers) > 1 {
		return
	}
	always := corev1.ContainerRestartPolicyAlways
	switch s.IntN(5) {
	case 0:
		pod.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "busybox", Resources: s.resources()}}
	case 1:
		pod.Spec.InitContainers = []corev1.Container{{Name: "beside", Image: "busybox", Resources: s.resources(), RestartPolicy: &always}}
	case 2:
		heavy := runtimeClass
		pod.Spec.RuntimeClassName = &heavy
	case 3:
		pod.Spec.Resources = &corev1.ResourceRequirements{Requests: requests("cpu", "2", "memory", "2Gi")}
	case 4:
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "second", Image: "busybox", Resources: s.resources()})
	}
}

func (s *scenarioBuilder) selectNodes(pod *corev1.Pod) {
	if s.oneIn(3) {
		s.restrictToScenario(pod)
		pod.Spec.NodeSelector["disk"] = oneOf(s.rng, "ssd", "hdd")
		return
	}
	required := &corev1.NodeSelector{}
	for range 1 + s.IntN(2) {
		term := corev1.NodeSelectorTerm{}
		for range 1 + s.IntN(2) {
			term.MatchExpressions = append(term.MatchExpressions, s.nodeExpression(s.name))
		}
		if s.oneIn(3) && len(s.Nodes) > 0 {
			term.MatchFields = []corev1.NodeSelectorRequirement{
				named(oneOf(s.rng, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn), oneOf(s.rng, s.Nodes...).Name),
			}
			if s.oneIn(2) {
				term.MatchExpressions = nil
			}
		}
		required.NodeSelectorTerms = append(required.NodeSelectorTerms, term)
	}
	affinityOf(pod).NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}
}

func affinityOf(pod *corev1.Pod) *corev1.Affinity {
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &corev1.Affinity{}
	}
	return pod.Spec.Affinity
}

func (s *scenarioBuilder) tolerate(pod *corev1.Pod) {
	toleration := corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists}
	switch s.IntN(4) {
	case 0:
		s.restrictToScenario(pod)
		toleration.Key = ""
	case 1:
		toleration.Key = corev1.TaintNodeUnschedulable
	case 2:
		toleration.Operator, toleration.Value = corev1.TolerationOpEqual, "a"
		toleration.Effect = oneOf(s.rng, "", corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)
	}
	pod.Spec.Tolerations = append(pod.Spec.Tolerations, toleration)
}

func (s *scenarioBuilder) takePorts(pod *corev1.Pod) {
	const port = 80
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{
		ContainerPort: port, HostPort: port, HostIP: oneOf(s.rng, "", "", "127.0.0.1", "10.0.0.1"),
		Protocol: oneOf(s.rng, corev1.ProtocolTCP, corev1.ProtocolTCP, corev1.ProtocolUDP),
	}}
}

func (s *scenarioBuilder) addAffinity(pod *corev1.Pod) {
	terms := []corev1.PodAffinityTerm{s.podTerm()}
	if s.oneIn(4) {
		terms = append(terms, s.podTerm())
	}
	affinityOf(pod).PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}
}

func (s *scenarioBuilder) addAntiAffinity(pod *corev1.Pod) {
	terms := []corev1.PodAffinityTerm{s.podTerm()}
	if s.oneIn(4) {
		terms = append(terms, s.podTerm())
	}
	affinityOf(pod).PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}
}

func (s *scenarioBuilder) podTerm() corev1.PodAffinityTerm {
	term := corev1.PodAffinityTerm{
		TopologyKey: oneOf(s.rng, corev1.LabelHostname, corev1.LabelHostname, corev1.LabelTopologyZone, s.rack()), LabelSelector: s.selector(),
	}
	switch s.IntN(10) {
	case 0:
		term.Namespaces = []string{s.Namespaces[0].Name, s.Namespaces[1].Name}
	case 1, 2:
		term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{seedKey: s.name}}
	case 3:
		term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{seedKey: s.name, "team": oneOf(s.rng, "a", "b")}}
	case 4:
		term.MatchLabelKeys = []string{"version"}
	case 5:
		term.MismatchLabelKeys = []string{"version"}
	}
	return term
}

func (s *scenarioBuilder) addSpreadConstraints(pod *corev1.Pod) {
	constraint := corev1.TopologySpreadConstraint{
		MaxSkew: int32(1 + s.IntN(2)), TopologyKey: oneOf(s.rng, corev1.LabelHostname, corev1.LabelTopologyZone, s.rack()),
		WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: s.selector(),
	}
	if s.oneIn(2) {
		constraint.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": pod.Labels["app"]}}
	}
	if slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool { return c.TopologyKey == constraint.TopologyKey }) {
		return
	}
	honor, ignore, few := corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore, int32(1+s.IntN(5))
	constraint.NodeTaintsPolicy = oneOf(s.rng, nil, &honor, &ignore)
	if constraint.TopologyKey == s.rack() {
		constraint.NodeAffinityPolicy = oneOf(s.rng, nil, &honor, &ignore)
	}
	if s.oneIn(4) {
		constraint.MinDomains = &few
	}
	if s.oneIn(5) {
		constraint.MatchLabelKeys = []string{oneOf(s.rng, "version", "no-such-label")}
	}
	s.restrictToScenario(pod)
	pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, constraint)
}

// setPriority moves the pod ahead in the queue. Its class never preempts.
func (s *scenarioBuilder) setPriority(pod *corev1.Pod) { pod.Spec.PriorityClassName = priorityClass }

func (s *scenarioBuilder) addSchedulingGate(pod *corev1.Pod) {
	pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "differential.k8sm.io/gate"}}
}
