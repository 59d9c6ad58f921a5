package kubelet

import (
	"encoding/json"
	"fmt"
)

// The newest versions of the messages that are read here. The rules are in version.go.
const (
	InstructionVersion = 1
	AccountVersion     = 1
)

// Instruction is what the operator tells the executor of a node that runs. It travels as
// JSON in a MESSAGE of Mesos, which may get lost, so it is sent until an Account answers.
type Instruction struct {
	// Version is set by Encode.
	Version int `json:"version"`
	// Kubelet is to run in the place of the one that does. It is a binary.
	Kubelet Artifact `json:"kubelet"`
}

// Encode gives the message its version, validates it and writes it as JSON.
func (i *Instruction) Encode() ([]byte, error) {
	i.Version = leastVersion(*i)
	if err := i.validate(); err != nil {
		return nil, err
	}
	return json.Marshal(i)
}

// decodeInstruction reads a message and validates it. What is known of one that is
// refused is returned nevertheless, for the answer.
func decodeInstruction(data []byte) (Instruction, error) {
	var i Instruction
	if err := decode("instruction", InstructionVersion, data, &i); err != nil {
		_ = json.Unmarshal(data, &i)
		return i, err
	}
	return i, i.validate()
}

func (i *Instruction) validate() error {
	if err := i.Kubelet.validate(); err != nil {
		return fmt.Errorf("%w instruction: %w", ErrInvalid, err)
	}
	if i.Kubelet.Name != ArtifactKubelet || i.Kubelet.Type != TypeBinary {
		return fmt.Errorf("%w instruction: a kubelet is the artifact %q of type %s, not %q of type %s",
			ErrInvalid, ArtifactKubelet, TypeBinary, i.Kubelet.Name, i.Kubelet.Type)
	}
	return nil
}

// Account is what an executor tells the operator about its node, beyond the task's state
// and message. It travels as JSON in TaskStatus.data with TASK_RUNNING.
type Account struct {
	// Version is set by Encode.
	Version int `json:"version"`
	// Kubelet is the digest of the kubelet that runs; empty if it came in an archive.
	Kubelet string `json:"kubelet,omitempty"`
	// Upgrade is how the last instruction fares that has not led to its kubelet running.
	Upgrade Upgrade `json:"upgrade,omitzero"`
}

// Upgrade is a kubelet that was to take the place of another.
type Upgrade struct {
	// SHA256 of the new kubelet.
	SHA256 string `json:"sha256"`
	// Message for people: what is being done, or why it came to nothing.
	Message string `json:"message"`
	// Refused: it would come to nothing again, and is not tried again.
	Refused bool `json:"refused,omitempty"`
}

// Encode gives the message its version and writes it as JSON.
func (a Account) Encode() []byte {
	a.Version = leastVersion(a)
	data, _ := json.Marshal(a) // strings and booleans: it can't fail
	return data
}

// DecodeAccount reads what an executor said. An executor of an older release says
// nothing, which is no account and no error.
func DecodeAccount(data []byte) (account Account, said bool, err error) {
	if len(data) == 0 {
		return Account{}, false, nil
	}
	if err := decode("account", AccountVersion, data, &account); err != nil {
		return Account{}, false, err
	}
	return account, true, nil
}
