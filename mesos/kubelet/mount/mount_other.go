//go:build !linux

package mount

import "os"

// EnterPrivateNamespace does nothing: there are no mount namespaces here.
func EnterPrivateNamespace() error { return nil }

// Within does something in this process's mounts: there are no others here.
func Within(_ *os.File, do func() error) error { return do() }
