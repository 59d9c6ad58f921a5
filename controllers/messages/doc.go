// Package messages words what controllers write into conditions and events: it counts,
// lists and shortens.
//
// It is pure. It refuses to know what a message is about. All controllers call it.
package messages
