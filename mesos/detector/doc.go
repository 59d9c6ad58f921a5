// Package detector says which Mesos master leads, as the masters themselves agree on it
// in ZooKeeper. It watches, pings, and begins anew at another server whenever an answer
// is overdue: a detection that hangs is found out, not waited for.
//
// It speaks as much of ZooKeeper's protocol as reading needs, and writes nothing. (Not
// the library of the field, github.com/go-zookeeper/zk: a packet shorter than its header
// panics in a goroutine of its own, a server that takes the connection and then falls
// silent holds it for ever, and no context ends it.) It knows nothing of frameworks and
// sessions; mesos/session runs one for masters that are given as zk://.
package detector
