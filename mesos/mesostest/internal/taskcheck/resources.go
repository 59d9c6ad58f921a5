package taskcheck

import (
	"math"
	"slices"
	"strconv"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// Resources checks the form of resources. One that is invalid makes the master refuse the
// whole operation.
func Resources(resources []mesos.Resource) error {
	for i := range resources {
		if err := oneResource(&resources[i]); err != nil {
			return mesoserror.Errorf("Resource '%s' is invalid: %v", resource.Describe(resources[i:i+1]), err)
		}
	}
	return nil
}

func oneResource(r *mesos.Resource) error {
	if r.Name == "" {
		return mesoserror.Errorf("Empty resource name")
	}
	if err := value(r); err != nil {
		return err
	}
	if r.Disk != nil && r.Name != "disk" {
		return mesoserror.Errorf("DiskInfo should not be set for %s resource", r.Name)
	}
	if err := reservations(r); err != nil {
		return err
	}
	switch {
	case r.Shared != nil && r.Name != "disk":
		return mesoserror.Errorf("Resource %s cannot be shared", r.Name)
	case r.Shared != nil && r.Disk.GetPersistence() == nil:
		return mesoserror.Errorf("Only persistent volumes can be shared")
	}
	return nil
}

// value checks that a resource has the value of its type, and no other.
func value(r *mesos.Resource) error {
	isScalar, isRanges, isSet := r.Scalar != nil, r.Ranges != nil, r.Set != nil
	switch r.GetType() {
	case mesos.SCALAR:
		if !isScalar || isRanges || isSet {
			return mesoserror.Errorf("Invalid scalar resource")
		}
		return amountOf(r.Scalar.Value)
	case mesos.RANGES:
		if isScalar || !isRanges || isSet {
			return mesoserror.Errorf("Invalid ranges resource")
		}
		return ranges(r.Ranges.Range)
	case mesos.SET:
		if isScalar || isRanges || !isSet {
			return mesoserror.Errorf("Invalid set resource")
		}
		return items(r.Set.Item)
	}
	return mesoserror.Errorf("Unsupported resource type")
}

// amountOf refuses what is less than a thousandth, and not 0.
func amountOf(value float64) error {
	if value != 0 && math.Round(value*1000) <= 0 {
		return mesoserror.Errorf("Invalid scalar resource: value <= 0")
	}
	return nil
}

func items(all []string) error {
	for i, item := range all {
		if slices.Contains(all[:i], item) {
			return mesoserror.Errorf("Invalid set resource: duplicated elements")
		}
	}
	return nil
}

func ranges(all []mesos.Value_Range) error {
	for i, r := range all {
		if r.Begin > r.End {
			return mesoserror.Errorf("Invalid ranges resource: begin > end")
		}
		for _, other := range all[i+1:] {
			if r.Begin <= other.Begin && other.Begin <= r.End || other.Begin <= r.Begin && r.Begin <= other.End {
				return mesoserror.Errorf("Invalid ranges resource: overlapping ranges")
			}
		}
	}
	return nil
}

// reservations checks reservations in the new format, or in the old one where there are
// none.
func reservations(r *mesos.Resource) error {
	if len(r.Reservations) == 0 {
		return oldReservation(r)
	}
	for _, one := range r.Reservations {
		switch {
		case one.Type == nil:
			return mesoserror.Errorf("Invalid reservation: 'Resource.ReservationInfo.type' field must be set.")
		case one.Role == nil:
			return mesoserror.Errorf("Invalid reservation: 'Resource.ReservationInfo.role' field must be set.")
		}
		if err := naming.ValidateRole(*one.Role); err != nil {
			return err
		}
		if *one.Role == "*" {
			return mesoserror.Errorf("Invalid reservation: role \"*\" cannot be reserved")
		}
	}
	for i, refined := range r.Reservations[1:] {
		ancestor := *r.Reservations[i].Role
		switch {
		case *refined.Type == mesos.Resource_ReservationInfo_STATIC:
			return mesoserror.Errorf("Invalid refined reservation: A refined reservation cannot be STATIC")
		case *refined.Role == ancestor || !naming.IsWithin(*refined.Role, ancestor):
			return mesoserror.Errorf("Invalid refined reservation: role '%s' is not a refinement of '%s'", *refined.Role, ancestor)
		}
	}
	return nil
}

func oldReservation(r *mesos.Resource) error {
	if err := naming.ValidateRole(r.GetRole()); err != nil {
		return err
	}
	switch {
	case r.Reservation == nil:
		return nil
	case r.Reservation.Type != nil:
		return mesoserror.Errorf("'Resource.ReservationInfo.type' must not be set for the 'Resource.reservation' field")
	case r.Reservation.Role != nil:
		return mesoserror.Errorf("'Resource.ReservationInfo.role' must not be set for the 'Resource.reservation' field")
	case r.GetRole() == "*":
		return mesoserror.Errorf("Invalid reservation: role \"*\" cannot be dynamically reserved")
	}
	return nil
}

// usable checks resources that a task or executor is to use.
func usable(resources []mesos.Resource) error {
	if err := Resources(resources); err != nil {
		return mesoserror.Errorf("Invalid resources: %v", err)
	}
	if gpus, _ := amount(resources, "gpus"); int64(gpus*1000)%1000 != 0 {
		return mesoserror.Errorf("Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer")
	}
	for i := range resources {
		if err := diskInfo(&resources[i]); err != nil {
			return mesoserror.Errorf("Invalid DiskInfo: %v", err)
		}
	}
	for i := range resources {
		if r := &resources[i]; r.Revocable != nil && isDynamicallyReserved(r) {
			return mesoserror.Errorf("Invalid ReservationInfo: Dynamically reserved resource %s cannot be created from revocable resources",
				resource.Describe(resources[i:i+1]))
		}
	}
	return nil
}

func isReserved(r *mesos.Resource) bool { return len(r.Reservations) > 0 || r.GetRole() != "*" }

func isDynamicallyReserved(r *mesos.Resource) bool {
	if n := len(r.Reservations); n > 0 {
		return r.Reservations[n-1].GetType() == mesos.Resource_ReservationInfo_DYNAMIC
	}
	return r.Reservation != nil
}

func diskInfo(r *mesos.Resource) error {
	disk := r.Disk
	switch {
	case disk == nil:
		return nil
	case disk.Persistence == nil && disk.Volume != nil:
		return mesoserror.Errorf("Non-persistent volume not supported")
	case disk.Persistence == nil && disk.Source == nil:
		return mesoserror.Errorf("DiskInfo is set but empty")
	case disk.Persistence == nil:
		return nil
	case r.Revocable != nil:
		return mesoserror.Errorf("Persistent volumes cannot be created from revocable resources")
	case !isReserved(r):
		return mesoserror.Errorf("Persistent volumes cannot be created from unreserved resources")
	case disk.Volume == nil:
		return mesoserror.Errorf("Expecting 'volume' to be set for persistent volume")
	case disk.Volume.HostPath != nil:
		return mesoserror.Errorf("Expecting 'host_path' to be unset for persistent volume")
	}
	if err := naming.ValidateID(disk.Persistence.ID); err != nil {
		return mesoserror.Errorf("Invalid persistence ID for persistent volume: %v", err)
	}
	return nil
}

func uniquePersistenceIDs(resources []mesos.Resource) error {
	type key struct{ role, id string }
	seen := map[key]bool{}
	for i := range resources {
		p := resources[i].Disk.GetPersistence()
		if p == nil {
			continue
		}
		k := key{reservedRole(&resources[i]), p.ID}
		if seen[k] {
			return mesoserror.Errorf("Persistence ID '%s' is not unique", p.ID)
		}
		seen[k] = true
	}
	return nil
}

func reservedRole(r *mesos.Resource) string {
	if n := len(r.Reservations); n > 0 {
		return r.Reservations[n-1].GetRole()
	}
	return r.GetRole()
}

func oneRole(resources []mesos.Resource) error {
	for i := range resources {
		info, first := resources[i].AllocationInfo, resources[0].AllocationInfo
		if info == nil || info.Role == nil {
			return mesoserror.Errorf("The resources are not allocated to a role")
		}
		if *info.Role != first.GetRole() {
			return mesoserror.Errorf("The resources have multiple allocation roles ('%s' and '%s') but only one allocation role is allowed",
				*info.Role, first.GetRole())
		}
	}
	return nil
}

func notMixed(resources []mesos.Resource) error {
	for i := range resources {
		for j := range resources[:i] {
			a, b := &resources[i], &resources[j]
			if a.Name == b.Name && (a.Revocable == nil) != (b.Revocable == nil) {
				return mesoserror.Errorf("Cannot use both revocable and non-revocable '%s' at the same time", a.Name)
			}
		}
	}
	return nil
}

// TaskWithExecutor checks the resources of a task together with its executor's.
func TaskWithExecutor(t *mesos.TaskInfo) error {
	own := t.Executor.GetResources()
	total := slices.Concat(t.Resources, own)
	if overlap(t.Resources, own) {
		return mesoserror.Errorf("There are overlapping resources in the task resources %s and executor resources %s",
			resource.Describe(t.Resources), resource.Describe(own))
	}
	if err := uniquePersistenceIDs(total); err != nil {
		return mesoserror.Errorf("Task and its executor use duplicate persistence ID: %v", err)
	}
	if err := notMixed(total); err != nil {
		return mesoserror.Errorf("Task and its executor mix revocable and non-revocable resources: %v", err)
	}
	return nil
}

// overlap reports whether both lists have a number of the same ranges.
func overlap(a, b []mesos.Resource) bool {
	for i := range a {
		for j := range b {
			x, y := &a[i], &b[j]
			if x.Name != y.Name || reservedRole(x) != reservedRole(y) {
				continue
			}
			if ranges(slices.Concat(x.Ranges.GetRange(), y.Ranges.GetRange())) != nil {
				return true
			}
		}
	}
	return false
}

// amount returns the sum of the scalars of a name; false if there is none.
func amount(resources []mesos.Resource, name string) (sum float64, ok bool) {
	for i := range resources {
		if r := &resources[i]; r.Name == name && r.Scalar != nil {
			sum, ok = sum+r.Scalar.Value, true
		}
	}
	return sum, ok
}

func number(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }
