// Package netns runs functions and opens listeners in a network namespace. It needs Linux
// for any namespace but that of this process.
package netns
