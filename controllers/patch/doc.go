// Package patch writes what a reconciler changed of an object to the API server: the status,
// the finalizers, the rest. It also names what follows a conflict.
//
// Patches hold the resource version of what was read, unless documented otherwise: what was
// decided by a cache that lags is not written. The package refuses to know what is written
// and why. All controllers call it.
package patch
