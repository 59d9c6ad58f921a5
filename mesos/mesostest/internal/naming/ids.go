// Package naming holds Mesos' rules for IDs and roles, and makes UUIDs.
package naming

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// UUID of a status, a stream or a container.
type UUID [16]byte

// NewUUID makes a random (version 4) UUID.
func NewUUID() UUID {
	var u UUID
	rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// ValidateUUID is Mesos' rule for the bytes of a UUID: they need the length of one, and one
// of the five versions. Random bytes have no such version in two of three cases.
func ValidateUUID(raw []byte) error {
	if len(raw) != len(UUID{}) {
		return mesoserror.Errorf("Not a valid UUID")
	}
	if version := raw[6] >> 4; version < 1 || version > 5 {
		return mesoserror.Errorf("Not a valid UUID")
	}
	return nil
}

// ValidateID is Mesos' rule for IDs that become part of a path.
func ValidateID(id string) error {
	invalid := func(c rune) bool { return c == '/' || c == '\\' || c < ' ' || c == 0x7f }
	switch {
	case id == "":
		return mesoserror.Errorf("ID must not be empty")
	case len(id) > 255:
		return mesoserror.Errorf("ID must not be greater than 255 characters")
	case id == "." || id == "..":
		return mesoserror.Errorf("'%s' is disallowed", id)
	case strings.ContainsFunc(id, invalid):
		return mesoserror.Errorf("'%s' contains invalid characters", id)
	}
	return nil
}

// ValidateRole is Mesos' rule for role names.
func ValidateRole(role string) error {
	switch {
	case role == "*":
		return nil
	case role == "":
		return mesoserror.Errorf("Empty role name is invalid")
	case strings.HasPrefix(role, "/"):
		return mesoserror.Errorf("Role '%s' cannot start with a slash", role)
	case strings.HasSuffix(role, "/"):
		return mesoserror.Errorf("Role '%s' cannot end with a slash", role)
	case strings.Contains(role, "//"):
		return mesoserror.Errorf("Role '%s' cannot contain two adjacent slashes", role)
	}
	for _, part := range strings.Split(role, "/") {
		switch {
		case part == "." || part == "..":
			return mesoserror.Errorf("Role '%s' cannot include '%s' as a component", role, part)
		case strings.HasPrefix(part, "-"):
			return mesoserror.Errorf("Role component '%s' is invalid because it begins with a dash", part)
		case strings.ContainsAny(part, " \t\n\v\f\r\b\x7f*"):
			return mesoserror.Errorf("Role component '%s' is invalid because it contains whitespace, a backspace, a delete or an asterisk", part)
		}
	}
	return nil
}

// IsWithin reports whether the role is the other one or below it.
func IsWithin(role, ancestor string) bool {
	return role == ancestor || strings.HasPrefix(role, ancestor+"/")
}
