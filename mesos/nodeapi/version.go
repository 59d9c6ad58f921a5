package nodeapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// An operator and the executors that it launched are seldom of one release: a pool may
// name an older executor, and a node outlives many an operator. These are the rules by
// which releases understand each other; version_test.go enforces them.
//
//   - A message bears the lowest version whose readers understand all of it, not the newest
//     that its writer knows. An operator that asks for nothing new is understood by every
//     older executor.
//   - A reader accepts every version up to its own. A newer message is refused whole: for
//     a LaunchSpec that is one TASK_ERROR, which names both versions.
//   - A field that an older reader may overlook is added without a new version, because
//     unknown fields are ignored. It is tagged version:"1".
//   - A field that an older reader must not overlook, since the node would not be what was
//     asked for, is tagged with the version that brings it. A message is of that version
//     as soon as the field is set.
//   - No field ever changes its name, type or meaning, is used again, or is left out where
//     an older reader demands it.

// The newest versions of the messages that this release reads.
const (
	LaunchSpecVersion     = 3
	UpgradeRequestVersion = 1
	NodeStatusVersion     = 1
)

// leastVersion returns the highest version among the tags of the fields that are set.
func leastVersion(message any) int {
	least, fields := 1, reflect.ValueOf(message)
	for i := range fields.NumField() {
		tag := fields.Type().Field(i).Tag.Get("version")
		if since, err := strconv.Atoi(tag); err == nil && !fields.Field(i).IsZero() {
			least = max(least, since)
		}
	}
	return least
}

// checkVersion refuses what only a later release understands.
func checkVersion(kind string, version, newest int) error {
	if version >= 1 && version <= newest {
		return nil
	}
	return fmt.Errorf("%w %s: its version is %d, and this executor reads none but 1 to %d: "+
		"name the artifact %q of the operator's release, or ask for nothing that is newer than the executor", ErrInvalid, kind, version, newest, ArtifactExecutor)
}

// decode reads a message of a version up to the newest. It looks at the version first,
// since a newer message may have fields of other types. Its errors never quote the message.
func decode(kind string, newest int, data []byte, message any) error {
	var header struct {
		Version int `json:"version"`
	}
	err := json.Unmarshal(data, &header)
	if err == nil {
		if err := checkVersion(kind, header.Version, newest); err != nil {
			return err
		}
		err = json.Unmarshal(data, message)
	}
	if err != nil {
		return fmt.Errorf("%w %s: not the JSON of one", ErrInvalid, kind)
	}
	return nil
}
