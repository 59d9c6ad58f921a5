// Package detector finds the leading Mesos master in ZooKeeper, where the masters elect it.
// It sets a watch, sends pings, and reconnects to another server whenever an answer is
// overdue, so that a detection cannot hang unnoticed.
//
// It implements the part of ZooKeeper's protocol that reading needs, and writes nothing.
// (The usual library, github.com/go-zookeeper/zk, is not used: a packet shorter than its
// header panics in one of its goroutines, a server that accepts the connection and then falls
// silent blocks it for ever, and no context ends it.)
//
// It knows nothing of frameworks and sessions. mesos/session runs a detector when its masters
// are given as zk://.
package detector
