package admission_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
)

func list(cpu string) corev1.ResourceList {
	if cpu == "" {
		return nil
	}
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
}

func container(name, request, limit string) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: list(request), Limits: list(limit)}}
}

func podOf(containers ...corev1.Container) *corev1.PodSpec {
	return &corev1.PodSpec{Containers: containers}
}

func limitRange(namespace string, items ...corev1.LimitRangeItem) *corev1.LimitRange {
	return &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}, Spec: corev1.LimitRangeSpec{Limits: items}}
}

func defaultRequest(kind corev1.LimitType, cpu string) corev1.LimitRangeItem {
	return corev1.LimitRangeItem{Type: kind, DefaultRequest: list(cpu)}
}

// cpus returns what each container requests.
func cpus(spec *corev1.PodSpec) map[string]string {
	out := map[string]string{}
	for _, c := range append(append([]corev1.Container{}, spec.InitContainers...), spec.Containers...) {
		if q, stated := c.Resources.Requests[corev1.ResourceCPU]; stated {
			out[c.Name] = q.String()
		}
	}
	return out
}

func TestAdmittedRequests(t *testing.T) {
	one, two := limitRange("a", defaultRequest(corev1.LimitTypeContainer, "1")), limitRange("a", defaultRequest(corev1.LimitTypeContainer, "2"))
	tests := map[string]struct {
		ranges []*corev1.LimitRange
		spec   *corev1.PodSpec
		want   map[string]string
	}{
		"what is stated stays":                           {[]*corev1.LimitRange{one}, podOf(container("main", "500m", "3")), map[string]string{"main": "500m"}},
		"a limit is the request":                         {[]*corev1.LimitRange{one}, podOf(container("main", "", "3")), map[string]string{"main": "3"}},
		"a LimitRange gives the rest":                    {[]*corev1.LimitRange{one}, podOf(container("main", "", ""), container("side", "", "")), map[string]string{"main": "1", "side": "1"}},
		"the larger of two LimitRanges":                  {[]*corev1.LimitRange{two, one}, podOf(container("main", "", "")), map[string]string{"main": "2"}},
		"not a LimitRange of another namespace":          {[]*corev1.LimitRange{limitRange("b", defaultRequest(corev1.LimitTypeContainer, "1"))}, podOf(container("main", "", "")), map[string]string{}},
		"not what a LimitRange gives to pods as a whole": {[]*corev1.LimitRange{limitRange("a", defaultRequest(corev1.LimitTypePod, "1"))}, podOf(container("main", "", "")), map[string]string{}},
		"also for containers that run first":             {[]*corev1.LimitRange{one}, &corev1.PodSpec{InitContainers: []corev1.Container{container("init", "", "")}}, map[string]string{"init": "1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := test.spec.DeepCopy()
			if diff := cmp.Diff(test.want, cpus(admission.NewDefaults(test.ranges, nil).Admit("a", test.spec))); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, test.spec); diff != "" {
				t.Errorf("the template has changed:\n%s", diff)
			}
		})
	}
}

func TestLargerRequestsOfTwoPods(t *testing.T) {
	tests := map[string]struct {
		template, running *corev1.PodSpec
		want              map[string]string
	}{
		"the running pod was given more":   {podOf(container("main", "100m", "")), podOf(container("main", "1", "")), map[string]string{"main": "1"}},
		"the running pod was resized down": {podOf(container("main", "3500m", "")), podOf(container("main", "500m", "")), map[string]string{"main": "3500m"}},
		"the template states nothing":      {podOf(container("main", "", "")), podOf(container("main", "1", "")), map[string]string{"main": "1"}},
		"a container was added":            {podOf(container("main", "1", "")), podOf(container("main", "1", ""), container("proxy", "200m", "")), map[string]string{"main": "1", "proxy": "200m"}},
		"each container for itself":        {podOf(container("a", "1", ""), container("b", "2", "")), podOf(container("a", "2", ""), container("b", "1", "")), map[string]string{"a": "2", "b": "2"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before, running := test.template.DeepCopy(), test.running.DeepCopy()
			if diff := cmp.Diff(test.want, cpus(admission.Larger(test.template, test.running))); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]*corev1.PodSpec{before, running}, []*corev1.PodSpec{test.template, test.running}); diff != "" {
				t.Errorf("the arguments have changed:\n%s", diff)
			}
		})
	}
}

func TestOverheadAndPodLevelRequestsCount(t *testing.T) {
	running := podOf(container("main", "1", ""))
	running.Overhead, running.Resources = list("250m"), &corev1.ResourceRequirements{Requests: list("2")}
	got := admission.Larger(podOf(container("main", "1", "")), running)
	if cpu := got.Overhead.Cpu().String(); cpu != "250m" {
		t.Errorf("the overhead is %s, want what the RuntimeClass gave to the running pod", cpu)
	}
	if got.Resources == nil || got.Resources.Requests.Cpu().String() != "2" {
		t.Errorf("the pod as a whole requests %v, want 2", got.Resources)
	}
	template := podOf(container("main", "1", ""))
	template.Resources = &corev1.ResourceRequirements{Requests: list("3")}
	if cpu := admission.Larger(template, running).Resources.Requests.Cpu().String(); cpu != "3" {
		t.Errorf("the pod as a whole requests %s, want the 3 of the template", cpu)
	}
}

func TestRuntimeClassesAddTheirOverheadAndPlacement(t *testing.T) {
	kata := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "kata"}, Handler: "kata", Overhead: &nodev1.Overhead{PodFixed: list("250m")},
		Scheduling: &nodev1.Scheduling{NodeSelector: map[string]string{"kata": "yes"}, Tolerations: []corev1.Toleration{{Key: "kata"}}}}
	plain := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "plain"}, Handler: "runc"}
	defaults := admission.NewDefaults(nil, []*nodev1.RuntimeClass{kata, plain})
	for class, want := range map[string]string{"kata": "250m", "plain": "0", "missing": "0", "": "0"} {
		spec := podOf(container("main", "1", ""))
		spec.NodeSelector, spec.Tolerations = map[string]string{"disk": "ssd"}, []corev1.Toleration{{Key: "mine"}}
		if class != "" {
			spec.RuntimeClassName = &class
		}
		got := defaults.Admit("a", spec)
		if cpu := got.Overhead.Cpu().String(); cpu != want {
			t.Errorf("%q: the overhead is %s, want %s", class, cpu, want)
		}
		placed := got.NodeSelector["kata"] == "yes" && len(got.Tolerations) == 2
		if placed != (class == "kata") || got.NodeSelector["disk"] != "ssd" || len(spec.NodeSelector) != 1 || len(spec.Tolerations) != 1 {
			t.Errorf("%q: the selector is %v, the tolerations are %v", class, got.NodeSelector, got.Tolerations)
		}
	}
}
