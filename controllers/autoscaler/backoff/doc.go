// Package backoff remembers what came to nothing, so that the autoscaler does not repeat it
// again and again. A Failure is about the nodes of a pool that did not become ready. Owners
// is about nodes that were created for pods and did not help them.
//
// It decides nothing about growth itself and has no clock and no client. The caller is
// controllers/autoscaler, which keeps these values from one cycle to the next. Failures are
// also in the status of the pools, so that the next process knows them. Owners are lost with
// the process, after which the same attempts are made once more.
package backoff
