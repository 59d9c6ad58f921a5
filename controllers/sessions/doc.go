// Package sessions keeps the running sessions with Mesos, one for each MesosFramework.
//
// [Registry] runs sessions, finds them by the name of their MesosFramework, and sends an
// event when the state of one changes. It is a Runnable of the manager, so that every session
// has ended before another operator may lead.
//
// It does not decide when a session starts or ends, nor how it is configured:
// controllers/mesosframework does. The controllers of nodes and pools find sessions here, by
// interfaces of their own that controllers/setup.go connects.
package sessions
