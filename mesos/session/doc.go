// Package session holds one framework's connection to a Mesos cluster. It finds the leading
// master, keeps the stream of events open and sends the calls. It decides nothing by itself:
// events, answers and the time go into mesos/scheduler, and what that returns is carried
// out.
//
// It knows sockets, credentials and time, and nothing of Kubernetes: what has to be durable
// is behind Store. The controller of MesosFramework makes one Session for each
// MesosFramework and runs it. The controllers of nodes and pools ask for tasks through it.
package session
