//go:build !linux

package sweep

import "os"

// Remove deletes the node's folder; nothing else is made here.
func (r *Record) Remove(dir string) error { return os.RemoveAll(dir) }
