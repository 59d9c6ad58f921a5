package taskcheck_test

import (
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskcheck"
)

// set is a resource of another kind than scalars and ranges.
func set(items ...string) mesos.Resource {
	return mesos.Resource{Name: "things", Type: mesos.SET.Enum(), Set: &mesos.Value_Set{Item: items}}
}

func TestFormOfResources(t *testing.T) {
	bare := func(name string, change func(*mesos.Resource)) mesos.Resource {
		return scalar(name, 1, func(r *mesos.Resource) { r.AllocationInfo = nil; change(r) })
	}
	reserved := func(all ...mesos.Resource_ReservationInfo) mesos.Resource {
		return bare("cpus", func(r *mesos.Resource) { r.Reservations = all })
	}
	static := func(role string) mesos.Resource_ReservationInfo {
		return mesos.Resource_ReservationInfo{Type: mesos.Resource_ReservationInfo_STATIC.Enum(), Role: &role}
	}
	dynamic := func(role string) mesos.Resource_ReservationInfo {
		return mesos.Resource_ReservationInfo{Type: mesos.Resource_ReservationInfo_DYNAMIC.Enum(), Role: &role}
	}
	for name, test := range map[string]struct {
		resource mesos.Resource
		want     string // behind "Resource '…' is invalid: "
	}{
		"a scalar is valid":             {scalar("cpus", 1), ""},
		"a scalar of 0 is":              {scalar("cpus", 0), ""},
		"a scalar below 0 is not":       {scalar("cpus", -0.1), "Invalid scalar resource: value <= 0"},
		"what rounds to 0 is not":       {scalar("cpus", 0.0001), "Invalid scalar resource: value <= 0"},
		"half a thousandth rounds up":   {scalar("cpus", 0.0005), ""},
		"a scalar without value is not": {bare("cpus", func(r *mesos.Resource) { r.Scalar = nil }), "Invalid scalar resource"},
		"a scalar with ranges is not":   {bare("cpus", func(r *mesos.Resource) { r.Ranges = &mesos.Value_Ranges{} }), "Invalid scalar resource"},
		"no name is not":                {bare("", func(*mesos.Resource) {}), "Empty resource name"},
		"ranges are valid":              {ports(1, 2, 4, 9), ""},
		"unsorted ranges are":           {ports(4, 9, 1, 2), ""},
		"no ranges are":                 {ports(), ""},
		"adjacent ranges are":           {ports(1, 2, 3, 4), ""},
		"a reverse range is not":        {ports(2, 1), "Invalid ranges resource: begin > end"},
		"overlapping ranges are not":    {ports(1, 5, 5, 9), "Invalid ranges resource: overlapping ranges"},
		"a range within one is not":     {ports(4, 5, 1, 9), "Invalid ranges resource: overlapping ranges"},
		"ranges with a scalar are not": {
			func() mesos.Resource { r := ports(1, 2); r.Scalar = &mesos.Value_Scalar{}; return r }(), "Invalid ranges resource",
		},
		"a set is valid":             {set("a", "b"), ""},
		"a set with a double is not": {set("a", "b", "a"), "Invalid set resource: duplicated elements"},
		"a set without items is not": {mesos.Resource{Name: "things", Type: mesos.SET.Enum()}, "Invalid set resource"},
		"a text is not":              {mesos.Resource{Name: "words", Type: mesos.TEXT.Enum()}, "Unsupported resource type"},
		"disk info on cpus is not":   {bare("cpus", func(r *mesos.Resource) { r.Disk = &mesos.Resource_DiskInfo{} }), "DiskInfo should not be set for cpus resource"},
		"shared cpus are not":        {bare("cpus", func(r *mesos.Resource) { r.Shared = &mesos.Resource_SharedInfo{} }), "Resource cpus cannot be shared"},
		"a shared disk is not":       {bare("disk", func(r *mesos.Resource) { r.Shared = &mesos.Resource_SharedInfo{} }), "Only persistent volumes can be shared"},
		"a shared volume is":         {bare("disk", func(r *mesos.Resource) { volume("a", "v")(r); r.Shared = &mesos.Resource_SharedInfo{} }), ""},
		"a static reservation is":    {reserved(static("a")), ""},
		"a refinement is":            {reserved(static("a"), dynamic("a/b"), dynamic("a/b/c")), ""},
		"no refinement is not":       {reserved(static("a"), dynamic("b")), "Invalid refined reservation: role 'b' is not a refinement of 'a'"},
		"the same role twice is not": {reserved(static("a"), dynamic("a")), "Invalid refined reservation: role 'a' is not a refinement of 'a'"},
		"a name that begins alike is not": {
			reserved(dynamic("a"), dynamic("ab")), "Invalid refined reservation: role 'ab' is not a refinement of 'a'",
		},
		"a static refinement is not":      {reserved(dynamic("a"), static("a/b")), "Invalid refined reservation: A refined reservation cannot be STATIC"},
		"a reservation for * is not":      {reserved(dynamic("*")), `Invalid reservation: role "*" cannot be reserved`},
		"a reservation of no type is not": {reserved(mesos.Resource_ReservationInfo{Role: new("a")}), "Invalid reservation: 'Resource.ReservationInfo.type' field must be set."},
		"a reservation of no role is not": {
			reserved(mesos.Resource_ReservationInfo{Type: mesos.Resource_ReservationInfo_DYNAMIC.Enum()}),
			"Invalid reservation: 'Resource.ReservationInfo.role' field must be set.",
		},
		"a reservation for a bad role is not": {reserved(dynamic("/a")), "Role '/a' cannot start with a slash"},
		"an old role is valid":                {bare("cpus", func(r *mesos.Resource) { r.Role = new("a") }), ""},
		"an old bad role is not":              {bare("cpus", func(r *mesos.Resource) { r.Role = new("a/") }), "Role 'a/' cannot end with a slash"},
		"an old reservation is valid":         {bare("cpus", func(r *mesos.Resource) { r.Role, r.Reservation = new("a"), &mesos.Resource_ReservationInfo{} }), ""},
		"an old reservation for * is not":     {bare("cpus", func(r *mesos.Resource) { r.Reservation = &mesos.Resource_ReservationInfo{} }), `Invalid reservation: role "*" cannot be dynamically reserved`},
		"an old reservation with a type is not": {
			bare("cpus", func(r *mesos.Resource) {
				r.Role, r.Reservation = new("a"), &mesos.Resource_ReservationInfo{Type: mesos.Resource_ReservationInfo_DYNAMIC.Enum()}
			}),
			"'Resource.ReservationInfo.type' must not be set for the 'Resource.reservation' field",
		},
		"an old reservation with a role is not": {
			bare("cpus", func(r *mesos.Resource) {
				r.Role, r.Reservation = new("a"), &mesos.Resource_ReservationInfo{Role: new("a")}
			}),
			"'Resource.ReservationInfo.role' must not be set for the 'Resource.reservation' field",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := taskcheck.Resources([]mesos.Resource{scalar("mem", 1), test.resource})
			switch {
			case (err == nil) != (test.want == ""):
				t.Errorf("the error is %v", err)
			case err != nil && !strings.HasSuffix(err.Error(), "' is invalid: "+test.want):
				t.Errorf("the error is %q", err)
			}
		})
	}
}

func TestResourcesThatCannotBeUsed(t *testing.T) {
	disk := func(change func(*mesos.Resource)) mesos.Resource { return scalar("disk", 1, volume("a", "v"), change) }
	for name, test := range map[string]struct {
		resource mesos.Resource
		want     string
	}{
		"a volume":                    {disk(func(*mesos.Resource) {}), ""},
		"a revocable volume":          {disk(revocable), "Invalid DiskInfo: Persistent volumes cannot be created from revocable resources"},
		"an unreserved volume":        {disk(func(r *mesos.Resource) { r.Reservations = nil }), "Invalid DiskInfo: Persistent volumes cannot be created from unreserved resources"},
		"a volume without its path":   {disk(func(r *mesos.Resource) { r.Disk.Volume = nil }), "Invalid DiskInfo: Expecting 'volume' to be set for persistent volume"},
		"a volume of the host":        {disk(func(r *mesos.Resource) { r.Disk.Volume.HostPath = new("/x") }), "Invalid DiskInfo: Expecting 'host_path' to be unset for persistent volume"},
		"a volume with a bad ID":      {disk(func(r *mesos.Resource) { r.Disk.Persistence.ID = "a/b" }), "Invalid DiskInfo: Invalid persistence ID for persistent volume: 'a/b' contains invalid characters"},
		"a volume that does not last": {disk(func(r *mesos.Resource) { r.Disk.Persistence = nil }), "Invalid DiskInfo: Non-persistent volume not supported"},
		"an empty disk info":          {disk(func(r *mesos.Resource) { r.Disk = &mesos.Resource_DiskInfo{} }), "Invalid DiskInfo: DiskInfo is set but empty"},
		"a disk with a source": {
			disk(func(r *mesos.Resource) { r.Disk = &mesos.Resource_DiskInfo{Source: &mesos.Resource_DiskInfo_Source{}} }), "",
		},
		"revocable cpus": {scalar("cpus", 1, revocable), ""},
		"revocable cpus that are reserved": {
			scalar("cpus", 1, func(r *mesos.Resource) { volume("a", "")(r); r.Disk = nil }, revocable),
			"Invalid ReservationInfo: Dynamically reserved resource cpus(allocated: a)(reservations: [(DYNAMIC,a)]):1 cannot be created from revocable resources",
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want != "" {
				want = "Task uses invalid resources: " + want
			}
			wantError(t, taskcheck.Task(&mesos.TaskInfo{Resources: []mesos.Resource{test.resource}}), want)
		})
	}
}

func TestTaskWithExecutor(t *testing.T) {
	for name, test := range map[string]struct {
		task, executor []mesos.Resource
		want           string
	}{
		"resources of both": {[]mesos.Resource{scalar("cpus", 1), ports(1, 4)}, []mesos.Resource{scalar("cpus", 1), ports(5, 9)}, ""},
		"only the task's":   {[]mesos.Resource{ports(1, 4)}, nil, ""},
		"overlapping ports": {
			[]mesos.Resource{ports(1, 4)}, []mesos.Resource{ports(4, 5)},
			"There are overlapping resources in the task resources ports(allocated: a):[1-4] and executor resources ports(allocated: a):[4-5]",
		},
		"ports within the executor's": {
			[]mesos.Resource{ports(4, 5)}, []mesos.Resource{ports(1, 9)},
			"There are overlapping resources in the task resources ports(allocated: a):[4-5] and executor resources ports(allocated: a):[1-9]",
		},
		"one volume for both": {
			[]mesos.Resource{scalar("disk", 1, volume("a", "v"))}, []mesos.Resource{scalar("disk", 1, volume("a", "v"))},
			"Task and its executor use duplicate persistence ID: Persistence ID 'v' is not unique",
		},
		"revocable for one": {
			[]mesos.Resource{scalar("cpus", 1, revocable)}, []mesos.Resource{scalar("cpus", 1)},
			"Task and its executor mix revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			task := &mesos.TaskInfo{Resources: test.task}
			if test.executor != nil {
				task.Executor = &mesos.ExecutorInfo{Resources: test.executor}
			}
			wantError(t, taskcheck.TaskWithExecutor(task), test.want)
		})
	}
}
