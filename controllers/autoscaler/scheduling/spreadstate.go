package scheduling

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// spreadState is the state that PodTopologySpread keeps after PreFilter, one element for
// each constraint. The plugin does not export the type of this state, only its fields, so
// that they are read by reflection. The maps and arrays are the plugin's own: what is
// written to them is what its Filter reads.
type spreadState struct {
	selectors []labels.Selector
	counts    []map[string]int // matching pods by domain
	minimums  []*smallestDomains
}

// smallestDomains are the two domains with the fewest matching pods, the smallest first. Of
// these Filter reads only the first count.
type smallestDomains = [2]struct {
	TopologyValue string
	MatchNum      int
}

// probeSpreadState checks that the state of PodTopologySpread can be read. Another version
// of the scheduler may keep it in another form.
func probeSpreadState(plugins []*plugin) error {
	for _, p := range plugins {
		if p.name != names.PodTopologySpread {
			continue
		}
		if p.preFilter == nil {
			return errors.New("probing PodTopologySpread: it has no PreFilter")
		}
		probe := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "probe"}}
		probe.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{},
		}}
		state := framework.NewCycleState()
		if _, status := p.preFilter.PreFilter(context.Background(), state, probe, nil); !status.IsSuccess() {
			return fmt.Errorf("probing PodTopologySpread: %w", status.AsError())
		}
		read, err := readSpreadState(state)
		if err != nil {
			return fmt.Errorf("probing PodTopologySpread: %w", err)
		}
		if len(read.counts) != 1 {
			return fmt.Errorf("probing PodTopologySpread: its state has %d constraints, want 1", len(read.counts))
		}
	}
	return nil
}

// readSpreadState reads the state that PreFilter wrote. It returns an error if the state is
// absent or has another form than this package was written for.
func readSpreadState(state fwk.CycleState) (spreadState, error) {
	out := spreadState{}
	value, err := spreadStateValue(state)
	if err != nil {
		return out, err
	}
	if out.counts, err = countsOf(value); err != nil {
		return out, err
	}
	minimums, err := fieldOf(value, "CriticalPaths", reflect.Slice, len(out.counts))
	if err != nil {
		return out, err
	}
	constraints, err := fieldOf(value, "Constraints", reflect.Slice, len(out.counts))
	if err != nil {
		return out, err
	}
	pointer := reflect.TypeFor[*smallestDomains]()
	for i := range out.counts {
		if !minimums.Index(i).CanConvert(pointer) {
			return out, fmt.Errorf("its CriticalPaths are of type %s", minimums.Type())
		}
		out.minimums = append(out.minimums, minimums.Index(i).Convert(pointer).Interface().(*smallestDomains))
		if constraints.Index(i).Kind() != reflect.Struct {
			return out, fmt.Errorf("its Constraints are of type %s", constraints.Type())
		}
		selector := constraints.Index(i).FieldByName("Selector")
		if !selector.IsValid() || selector.Type() != reflect.TypeFor[labels.Selector]() || selector.IsNil() {
			return out, errors.New("its Constraints have no Selector")
		}
		out.selectors = append(out.selectors, selector.Interface().(labels.Selector))
	}
	return out, nil
}

// readCounts reads only the counts of the state that PreFilter wrote.
func readCounts(state fwk.CycleState) ([]map[string]int, error) {
	value, err := spreadStateValue(state)
	if err != nil {
		return nil, err
	}
	return countsOf(value)
}

func countsOf(value reflect.Value) ([]map[string]int, error) {
	field := value.FieldByName("TpValueToMatchNum")
	if !field.IsValid() || !field.CanInterface() {
		return nil, errors.New("its state has no TpValueToMatchNum")
	}
	counts, ok := field.Interface().([]map[string]int)
	if !ok {
		return nil, fmt.Errorf("its TpValueToMatchNum is of type %s", field.Type())
	}
	return counts, nil
}

// fieldOf returns an exported field of some kind and length.
func fieldOf(value reflect.Value, name string, kind reflect.Kind, length int) (reflect.Value, error) {
	field := value.FieldByName(name)
	if !field.IsValid() || !field.CanInterface() || field.Kind() != kind {
		return field, fmt.Errorf("its state has no %s of kind %s", name, kind)
	}
	if field.Len() != length {
		return field, fmt.Errorf("its %s has %d elements, want %d", name, field.Len(), length)
	}
	return field, nil
}

func spreadStateValue(state fwk.CycleState) (reflect.Value, error) {
	data, err := state.Read("PreFilter" + names.PodTopologySpread)
	if err != nil {
		return reflect.Value{}, fmt.Errorf("reading its state: %w", err)
	}
	pointer := reflect.ValueOf(data)
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() || pointer.Elem().Kind() != reflect.Struct {
		return reflect.Value{}, fmt.Errorf("its state is of type %T", data)
	}
	return pointer.Elem(), nil
}
