// Package vm tests nodes under version 2 of cgroup with all its controllers, in a virtual
// machine with its own kernel. The machine is emulated in software, because the host may have
// version 1 and no support for virtualisation. In it run a Mesos cluster in a box, the real
// executor, containerd and the real kubelet; control plane and operator stay outside. The tests
// need Debian's qemu and kernel, and no root.
package vm
