// Package conformance asks a Mesos cluster, from outside, for everything that k8sm
// relies on. Each [Check] is one thing, asked in plain HTTP as a framework of its own,
// and answered by pass, fail, or skip with the reason.
//
// It is made for clusters that others use: it takes a tenth of a cpu at a time, gives
// all other offers back at once, touches nothing that is not its own unless told to,
// and tears its frameworks down at the end, however the end comes. It refuses to know
// how the cluster is built: what cannot be seen from outside is not asked.
//
// cmd/conformance runs it against a real cluster, and its tests against mesostest.
package conformance
