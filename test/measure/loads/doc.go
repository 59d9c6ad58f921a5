// Package loads lets pods come and go in virtual time, by patterns that loads have, over
// a pool whose nodes the autoscaler's own decisions make and remove: how well the nodes are
// used, how long pods wait, and how often nodes come and go. The deciding is the product's;
// the scheduler's is done by its plugins, and Mesos has room. `make bench` prints the
// account of each pattern; the tests here bound them.
package loads
