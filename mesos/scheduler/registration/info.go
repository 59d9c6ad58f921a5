package registration

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Info describes the framework to the master.
type Info struct {
	// ID that the master gave the framework; empty only if it never gave one.
	ID        string
	Name      string
	User      string
	Principal string
	Hostname  string
	WebUIURL  string
	// Roles in which offers are wanted; at least one, without duplicates.
	Roles []string
	// FailoverTimeout is how long the master keeps tasks alive without a scheduler; zero
	// is a week.
	FailoverTimeout time.Duration
}

// defaultFailoverTimeout replaces Mesos' own default, which kills all tasks at a disconnect.
const defaultFailoverTimeout = 7 * 24 * time.Hour

// Validate returns an error if no master would accept the description.
func (i Info) Validate() error {
	if i.Name == "" {
		return errors.New("the framework has no name")
	}
	if len(i.Roles) == 0 {
		return errors.New("the framework has no roles")
	}
	seen := map[string]bool{}
	for _, r := range i.Roles {
		if r == "" || seen[r] {
			return fmt.Errorf("role %q is empty or named twice", r)
		}
		seen[r] = true
	}
	if i.FailoverTimeout < 0 {
		return fmt.Errorf("a failover timeout of %s is none", i.FailoverTimeout)
	}
	if i.ID != "" {
		return ValidateID(i.ID)
	}
	return nil
}

func (i Info) equal(o Info) bool { return reflect.DeepEqual(i, o) }

// ValidateID returns an error if a text cannot be the ID of a framework or a task.
func ValidateID(id string) error {
	switch {
	case id == "":
		return errors.New("an ID is empty")
	case len(id) > 255:
		return fmt.Errorf("ID %.20q… has %d characters, at most 255 are allowed", id, len(id))
	case id == "." || id == "..", strings.ContainsFunc(id, func(r rune) bool {
		return r == '/' || r == '\\' || r < ' ' || r == 127
	}):
		return fmt.Errorf("ID %q holds what Mesos allows in none", id)
	}
	return nil
}

// capabilities that the scheduler implements.
var capabilities = []mesos.FrameworkInfo_Capability{
	{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE},
	{Type: mesos.FrameworkInfo_Capability_PARTITION_AWARE},
	{Type: mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT},
	{Type: mesos.FrameworkInfo_Capability_REGION_AWARE},
	{Type: mesos.FrameworkInfo_Capability_TASK_KILLING_STATE},
}

// ToMesos builds the FrameworkInfo of SUBSCRIBE and UPDATE_FRAMEWORK.
func (i Info) ToMesos() *mesos.FrameworkInfo {
	timeout, checkpoint := i.FailoverTimeout.Seconds(), true
	if timeout <= 0 {
		timeout = defaultFailoverTimeout.Seconds()
	}
	info := &mesos.FrameworkInfo{
		User:            i.User,
		Name:            i.Name,
		FailoverTimeout: &timeout,
		Checkpoint:      &checkpoint,
		Roles:           i.Roles,
		Hostname:        optional(i.Hostname),
		Principal:       optional(i.Principal),
		WebUiURL:        optional(i.WebUIURL),
		Capabilities:    capabilities,
	}
	if i.ID != "" {
		info.ID = &mesos.FrameworkID{Value: i.ID}
	}
	return info
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// IsAtLeast reports whether a master's version ("1.11.1", "1.11.0-0.5") is at least
// major.minor. A version that cannot be read is not.
func IsAtLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	gotMajor, err1 := strconv.Atoi(parts[0])
	gotMinor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (gotMajor > major || (gotMajor == major && gotMinor >= minor))
}
