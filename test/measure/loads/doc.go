// Package loads simulates an autoscaled pool under changing loads, in virtual time: how well
// nodes are used, how long pods wait, and how often nodes are created and removed. The
// autoscaler's own code decides, the scheduler's plugins place pods, and Mesos always has room.
// `make bench` prints the results for each pattern; the tests here bound them.
package loads
