//go:build !linux

package playground

import (
	"errors"
	"os"
)

func newNamespace() (*os.File, error) {
	return nil, errors.New("network namespaces need Linux")
}
