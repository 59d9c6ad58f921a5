// Package conformance checks a Mesos cluster, from outside, for every property that k8sm
// relies on. Each check is one property. It registers a framework, makes calls in plain
// HTTP, and ends with pass, fail, or skip with the reason.
//
// It may run on clusters in production: it uses a tenth of a cpu at a time, declines all
// other offers at once, changes nothing that belongs to others unless Options.Disruptive
// is set, and tears its frameworks down at the end, also after an interruption. It does
// not know how the cluster is built, and checks only what is visible from outside.
//
// cmd/conformance runs it against a real cluster, and its tests against mesostest.
package conformance
