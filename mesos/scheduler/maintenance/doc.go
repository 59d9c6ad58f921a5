// Package maintenance remembers which agents are to be unavailable, and when, as offers and
// inverse offers announce it, and which agents are draining. It accepts no inverse offers
// itself and ends no tasks: mesos/scheduler answers the master, and whoever wants tasks
// ended in time asks for the windows.
package maintenance
