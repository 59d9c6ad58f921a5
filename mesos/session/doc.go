// Package session holds a framework's conversation with a Mesos cluster: it finds the
// leading master, keeps the stream of events, sends the calls, and pumps both, with the
// store's answers, through mesos/framework, which decides everything.
//
// It knows sockets, credentials and time, and nothing of Kubernetes: what is durable
// lies behind Store. The framework controller makes one Session for each MesosFramework
// and runs it; the node and pool controllers say what they want through it.
package session
