package offerconstraints

import (
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
)

// Call is a scheduler's call with what Mesos 1.11 has in it and the messages
// of mesos-go have not.
type Call struct {
	schedulerpb.Call
	Constraints Message // of SUBSCRIBE or UPDATE_FRAMEWORK
}

// Field numbers of the messages that offer constraints are in.
const (
	fieldSubscribe        = 3
	fieldUpdateFramework  = 19
	fieldOfferConstraints = 3
)

// Unmarshal reads the call from protobuf.
func (c *Call) Unmarshal(data []byte) error {
	if err := c.Call.Unmarshal(data); err != nil {
		return err
	}
	return codec.EachField(data, func(number int, bytes []byte, _ uint64) error {
		if number != fieldSubscribe && number != fieldUpdateFramework {
			return nil
		}
		return codec.EachField(bytes, func(number int, bytes []byte, _ uint64) error {
			if number != fieldOfferConstraints {
				return nil
			}
			return codec.DecodeFields(bytes, &c.Constraints)
		})
	})
}

// DecodeObject reads the call from JSON.
func (c *Call) DecodeObject(d *codec.ObjectDecoder, object map[string]any) {
	d.Into(object, &c.Call, "")
	for _, field := range []string{"subscribe", "update_framework"} {
		inner, _ := object[field].(map[string]any)
		if value, ok := inner["offer_constraints"].(map[string]any); ok {
			d.Into(value, &c.Constraints, field+".offer_constraints.")
		}
	}
}
