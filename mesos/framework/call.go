package framework

import (
	"fmt"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Call is a call of the scheduler API. It is the library's, with what the library's
// messages do not know.
type Call struct {
	*scheduler.Call
	// more is appended to the call's bytes.
	more []byte
}

// Marshal gives the call in protobuf. What is appended belongs to a message that the call
// holds already: parsers merge a message that comes twice.
func (c *Call) Marshal() ([]byte, error) {
	b, err := c.Call.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", c.Type, err)
	}
	return append(b, c.more...), nil
}
