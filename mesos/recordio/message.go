package recordio

import "fmt"

// Message is a protobuf message of mesos-go.
type Message interface {
	Unmarshal(data []byte) error
}

// Decode decodes a record. The name of the message appears in the error, which wraps
// ErrMalformed. A panic becomes an error, because the generated code of mesos-go does not
// check every length that it reads.
func Decode(record []byte, into Message, name string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: decoding %s: %v", ErrMalformed, name, r)
		}
	}()
	if err := into.Unmarshal(record); err != nil {
		return fmt.Errorf("%w: decoding %s: %w", ErrMalformed, name, err)
	}
	return nil
}
