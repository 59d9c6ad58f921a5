// Package nodemetadata decides which labels, annotations and taints the Node of a MesosNode should
// have: those of the template, as the pool has it now, and those of k8sm. What others have put on
// the Node stays.
//
// It is pure. It refuses to know how a Node is read and written, and when. controllers/mesosnode
// calls it for each Node, and controllers/autoscaler for nodes to come.
package nodemetadata
