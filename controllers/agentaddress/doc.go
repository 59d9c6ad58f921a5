// Package agentaddress decides which addresses of agents may become addresses of nodes.
//
// A node gets a serving certificate for its agent's address, and an agent chooses that address
// itself. So an address that is somebody else's is refused: that of a Service, of the API server
// or of another node. [Check] decides, without a client. [Checker] reads what it decides by.
//
// The package does not know offers or certificates. controllers/taskrecord asks it before a
// launch.
package agentaddress
