// Package queueing is how controllers fill their work queues: how long a failure backs off,
// and how the changes of many objects are gathered into one reconcile of their owner.
//
// It refuses to know what is in a queue. The controllers call it when they are set up.
package queueing
