// Package mesostest is a Mesos 1.11 cluster in a box, in the manner of
// net/http/httptest: masters and agents that listen on real sockets, speak the v1
// HTTP APIs as a real master and agent do, and really start executors, or Go
// functions in their place.
//
// A Master serves the scheduler API (/api/v1/scheduler) and the operator API
// (/api/v1), in JSON and protobuf. An Agent, made by [Master.AddAgent], serves the
// executor API (/api/v1/executor) and starts containers through a [Launcher]:
// [ProcessLauncher] runs real processes in sandboxes, cgroups and network
// namespaces; a [Func] is an executor in this process, cheap enough for thousands.
// What goes wrong in a cluster can be made to go wrong here: see [Faults] and the
// methods of Master and Agent. [NewMasters] starts several masters, of which one leads,
// ends, and is succeeded by another.
//
// Left out are: what is in volumes, growing and shrinking them, resource providers,
// health checks, the default executor, ACLs, the event stream of operators, and the v0
// API. Calls of that kind are accepted and have no effect.
//
// The package knows nothing of k8sm or of Kubernetes. What it answers was checked
// against exchanges recorded from a real Mesos 1.11.1, which its tests replay.
// Between master and agent there is no wire: they share one lock in one process,
// which no scheduler can notice, and which makes a thousand agents cheap.
//
// It is called by the tests of the packages above it, by the playground, and by
// anybody who writes a Mesos framework.
package mesostest
