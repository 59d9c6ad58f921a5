package recordio

import "fmt"

// Message is what the library's messages are.
type Message interface {
	Unmarshal(data []byte) error
}

// Decode reads a record's message; what is its name in errors. It turns a panic into
// an error: the library's generated code does not check every length that it reads.
func Decode(record []byte, into Message, what string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: decoding %s: %v", ErrMalformed, what, r)
		}
	}()
	if err := into.Unmarshal(record); err != nil {
		return fmt.Errorf("%w: decoding %s: %w", ErrMalformed, what, err)
	}
	return nil
}
