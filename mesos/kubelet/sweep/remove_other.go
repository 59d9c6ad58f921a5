//go:build !linux

package sweep

import (
	"context"
	"os"
)

// Remove deletes the node's folder; nothing else is made here.
func (r *Record) Remove(_ context.Context, dir string) error { return os.RemoveAll(dir) }
