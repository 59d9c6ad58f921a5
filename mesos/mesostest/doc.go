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
// [Faults] and the methods of Master and Agent make go wrong what goes wrong in a cluster.
// [NewMasters] starts several masters, of which one leads, ends, and is succeeded by another.
//
// # Limits
//
// The contents of volumes, growing and shrinking them, resource providers, health checks,
// the default executor, ACLs, the event stream of operators, and the v0 API. Calls of that
// kind are accepted and have no effect.
//
// # How it is built
//
// One lock guards a cluster, its masters and its agents. Under it nothing blocks: events
// are queued, and containers are started and destroyed by goroutines that do not hold it.
//
//   - Master is the process of a master: its HTTP API, its streams and its [Faults].
//   - cluster is what its masters share. registry outlives a leader, leaderMemory does not.
//   - framework, offer, inverseOffer, task, operation and agentRecord are what the leader
//     knows. offerAllocator, quotaState and maintenanceState decide about them.
//   - Agent is the process of an agent: its frameworks, executors and tasks as it knows
//     them itself. What passes between it and the leader passes a link, which can be
//     paused and broken.
//
// There is no network between masters and agents, which no scheduler can notice, and which
// makes a thousand agents cheap; [Agent.CutNetwork] plays a cut one. Parts that do not depend
// on the cluster are in packages below internal: codecs, checks of calls and tasks, resources,
// quotas, maintenance, containers.
//
// The package knows nothing of k8sm or of Kubernetes. What it answers was checked against
// exchanges recorded from a real Mesos 1.11.1, which its tests replay. It is called by the
// tests of the packages above it, by the playground, and by anybody who writes a Mesos
// framework.
package mesostest
