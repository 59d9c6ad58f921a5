package nodeapi

import (
	"encoding/json"
	"errors"
	"fmt"
)

// UpgradeRequest asks the executor of a running node to exchange its kubelet. It travels as
// JSON in a MESSAGE of Mesos, which may get lost, so the operator repeats it until a
// NodeStatus answers.
type UpgradeRequest struct {
	// Version is set by Encode.
	Version int `json:"version"`
	// Kubelet is to run in the place of the current one. It is a binary.
	Kubelet Artifact `json:"kubelet"`
	// MirrorCredentials are those of now for the server that artifacts are fetched from. Nil:
	// those of the launch message, which an executor that is too old for them uses anyway.
	MirrorCredentials *ServerCredentials `json:"mirrorCredentials,omitempty" version:"1"`
}

// Encode sets the message's version, validates it and writes it as JSON.
func (r *UpgradeRequest) Encode() ([]byte, error) {
	r.Version = leastVersion(*r)
	if err := r.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// DecodeUpgradeRequest reads a message and validates it. Together with an error, which
// wraps ErrInvalid, it returns what could be read, so that the answer can name the kubelet.
func DecodeUpgradeRequest(data []byte) (UpgradeRequest, error) {
	var r UpgradeRequest
	if err := decode("upgrade request", UpgradeRequestVersion, data, &r); err != nil {
		_ = json.Unmarshal(data, &r)
		return r, err
	}
	return r, r.validate()
}

func (r *UpgradeRequest) validate() error {
	if err := errors.Join(r.Kubelet.Validate(), r.MirrorCredentials.validate()); err != nil {
		return fmt.Errorf("%w upgrade request: %w", ErrInvalid, err)
	}
	if r.Kubelet.Name != ArtifactKubelet || r.Kubelet.Type != ArtifactTypeBinary {
		return fmt.Errorf("%w upgrade request: a kubelet is the artifact %q of type %s, not %q of type %s",
			ErrInvalid, ArtifactKubelet, ArtifactTypeBinary, r.Kubelet.Name, r.Kubelet.Type)
	}
	return nil
}

// NodeStatus is an executor's report about its node, beyond the task's state and message.
// It travels as JSON in TaskStatus.data with TASK_RUNNING.
type NodeStatus struct {
	// Version is set by Encode.
	Version int `json:"version"`
	// Kubelet is the SHA-256 digest of the kubelet that runs; empty if it came in an archive.
	Kubelet string `json:"kubelet,omitempty"`
	// Upgrade is the progress or the failure of the last upgrade request. It is empty once
	// the requested kubelet runs.
	Upgrade Upgrade `json:"upgrade,omitzero"`
	// AnonymousExecutors: the agent serves executors that present no credentials.
	AnonymousExecutors bool `json:"anonymousExecutors,omitempty" version:"1"`
	// Architecture of the machine, by its name in Go.
	Architecture string `json:"architecture,omitempty" version:"1"`
}

// Upgrade is the exchange of a node's kubelet that is under way or has failed.
type Upgrade struct {
	// SHA256 of the new kubelet.
	SHA256 string `json:"sha256"`
	// Message for people: the present step, or why the upgrade failed.
	Message string `json:"message"`
	// Refused: the upgrade would fail again, and is not tried again.
	Refused bool `json:"refused,omitempty"`
}

// Encode sets the message's version and writes it as JSON.
func (s NodeStatus) Encode() []byte {
	s.Version = leastVersion(s)
	data, _ := json.Marshal(s) // strings and booleans can always be marshalled
	return data
}

// MaxNodeStatus is the longest status report that is read, in bytes. An executor writes less
// than a tenth of it.
const MaxNodeStatus = 64 << 10

// digestLength is the number of hexadecimal digits of a SHA-256 digest.
const digestLength = 64

// maxArchitecture is the length of the longest name of an architecture that is read.
const maxArchitecture = 16

// DecodeNodeStatus reads a status report. The first releases of the executor send no data:
// then ok is false and there is no error. The operator stores digests where all its users
// read them, so that one which cannot be a digest makes the report invalid.
func DecodeNodeStatus(data []byte) (status NodeStatus, ok bool, err error) {
	if len(data) == 0 {
		return NodeStatus{}, false, nil
	}
	if len(data) > MaxNodeStatus {
		return NodeStatus{}, false, fmt.Errorf("%w status report: %d bytes, more than %d", ErrInvalid, len(data), MaxNodeStatus)
	}
	if err := decode("status report", NodeStatusVersion, data, &status); err != nil {
		return NodeStatus{}, false, err
	}
	if n := len(status.Architecture); n > maxArchitecture {
		return NodeStatus{}, false, fmt.Errorf("%w status report: the name of an architecture of %d characters", ErrInvalid, n)
	}
	if n := max(len(status.Kubelet), len(status.Upgrade.SHA256)); n > digestLength {
		return NodeStatus{}, false, fmt.Errorf("%w status report: a digest of %d characters", ErrInvalid, n)
	}
	return status, true, nil
}
