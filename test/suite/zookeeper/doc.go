// Package zookeeper tests the detection of the leading master with a real ZooKeeper from
// Debian's packages, on loopback. Masters register in it as Mesos masters do, with a client
// that is not ours. mesos/detector tests a misbehaving ZooKeeper with a stand-in.
package zookeeper
