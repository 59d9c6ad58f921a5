// Package nodenames keeps the names of nodes for as long as somebody may hold a certificate in
// one of them, and removes the Node of a node that was removed, if it comes back.
//
// The names are in ConfigMaps in the operator's namespace, where the admission policies of
// config/policies read them too. A name is live while its MesosNode exists, and removed until
// the last certificate in it has expired. [Store] reads and writes names. [Reconciler] is the
// controller that deletes Nodes with removed names, and forgets names in time.
//
// The package does not know how certificates are issued. controllers/mesosnode records names,
// controllers/identity asks about them, and controllers/setup.go connects all three.
package nodenames
