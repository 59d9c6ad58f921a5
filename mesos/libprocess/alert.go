package libprocess

import (
	"errors"
	"net"
	"strings"
)

// IsAlert reports whether the other side ended a TLS handshake with an alert, as a server does
// that wants another client certificate, or any. Go gives such an alert as the error of an
// operation of this name.
func IsAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && op.Err != nil && strings.Contains(op.Err.Error(), "tls: ")
}
