// Package detach finds the volumes that are attached to a node, and those among them that a
// drained node will still give up by itself.
//
// A volume that stays attached to a node that is gone keeps the next pod waiting: the control
// plane detaches it by force after six minutes at the earliest. It refuses to know when a
// node is killed and for how long to wait: controllers/mesosnode decides that, and calls it.
package detach
