package scheduler

import (
	"fmt"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Call is a call of the scheduler API. It is the library's, with what the library's
// messages do not know.
type Call struct {
	*schedulerpb.Call
	// constraints are the OfferConstraints of SUBSCRIBE and UPDATE_FRAMEWORK, encoded.
	constraints string
}

// Fields of scheduler.Call, and of the messages in it.
const (
	subscribeField        = 3
	updateFrameworkField  = 19
	offerConstraintsField = 3
)

// Marshal gives the call in protobuf.
func (c *Call) Marshal() ([]byte, error) {
	if c.constraints == "" {
		return c.Call.Marshal()
	}
	var body []byte
	var err error
	field, rest := uint64(subscribeField), *c.Call
	if rest.UpdateFramework != nil {
		field = updateFrameworkField
		body, err = rest.UpdateFramework.Marshal()
	} else {
		body, err = rest.Subscribe.Marshal()
	}
	if err != nil {
		return nil, fmt.Errorf("encoding the body of %s: %w", c.Type, err)
	}
	rest.Subscribe, rest.UpdateFramework = nil, nil
	out, err := rest.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", c.Type, err)
	}
	return appendField(out, field, string(appendField(body, offerConstraintsField, c.constraints))), nil
}
