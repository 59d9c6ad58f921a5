// Package mesosframework is the controller of MesosFrameworks: it keeps, for each one, a
// session with its Mesos cluster.
//
// The Reconciler decides whether there is to be a session, and with which configuration: it
// reads secrets, refuses duplicates, decides on the framework ID, restarts sessions, tears
// the framework down at the end, and reports the session's state in conditions.
//
// Running sessions are in controllers/sessions, and what they store durably in
// controllers/taskrecord. The Reconciler never uses the network itself: mesos/session does.
// It does not decide what is launched where, nor what follows from a task's end.
// controllers/setup.go makes it.
package mesosframework
