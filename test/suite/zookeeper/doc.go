// Package zookeeper tests what finds the leading master against a real ZooKeeper, of
// Debian's package, on loopback. Masters register in it as Mesos' do, by a client that
// is not ours. What a ZooKeeper does that means harm, mesos/detector tests with one that
// does as it is told.
package zookeeper
