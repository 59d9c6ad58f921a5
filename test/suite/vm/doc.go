// Package vm tests nodes under version 2 of cgroup, all controllers of it, on a kernel
// of its own: a virtual machine in software emulation, since the machine that tests may
// have version 1, and no hardware for another. In it run a Mesos cluster in a box, the
// real executor, containerd, and the real kubelet; control plane and operator stay
// outside. It takes Debian's qemu and kernel, and no root.
package vm
