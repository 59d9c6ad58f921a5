// Package preflight finds, before anything is started, what on an agent would keep a node of
// real containers from working: the state folder's file system, devices that the container may
// not open, and settings of the machine. Each refusal says what is wrong and what to do.
//
// It refuses to know the launch message. What it finds is never nodeapi.ErrInvalid, since
// another agent may do better. Package kubelet asks it.
package preflight
