// Package taskrecord is the durable record behind a session with Mesos: the framework ID in
// the MesosFramework, and the tasks in the MesosNodes.
//
// [Store] implements session.Store. It writes what is launched before it is launched, and
// what became of a task before Mesos gets the acknowledgement. Each write bears the resource
// version of what was read, so that a write based on an old copy fails and is made again.
//
// The package decides nothing: under which ID a session begins, and when an ID is given up,
// are decisions of controllers/mesosframework, which is the only caller beside the session.
// It does not know what a launch message holds.
package taskrecord
