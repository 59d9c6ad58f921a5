package cgroup

// What the tests in package cgroup_test see of this package. They are outside of it since
// they use cgrouptest, which uses it.
var (
	MakeCgroup   = makeCgroup
	Processes    = processes
	Enable       = enable
	SuperOptions = superOptions
	Reconfigure  = reconfigure
)

const (
	Leaf        = leaf
	LocalEvents = localEvents
)
