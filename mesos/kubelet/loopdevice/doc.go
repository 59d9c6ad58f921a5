// Package loopdevice finds the loop devices that a node has made of files, and gives them up.
// The kubelet holds each block volume by such a device, which outlives it, and keeps what it
// is made of open.
//
// It refuses to know volumes. The executor records a node's devices while it runs, and the
// sweep of a dead node detaches them.
package loopdevice

// Device is a loop device, and the file that it is made of.
type Device struct {
	// Name is that of the device, as loop3.
	Name string `json:"name"`
	// FileSystem and Inode are the numbers of the file.
	FileSystem uint64 `json:"fileSystem"`
	Inode      uint64 `json:"inode"`
}
