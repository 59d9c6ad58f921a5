// Package config computes and writes what kubelet and containerd read at their start: the
// kubelet's configuration with the pool's fields in it, its arguments, its bootstrap
// credentials, containerd's configuration, and the environment of both. It also computes
// what the kubelet has to keep from pods so that the Node's allocatable is the Mesos
// allocation less the overhead.
//
// It refuses to know how the facts about the agent were found. Package kubelet and the
// runtimes call it.
package config
