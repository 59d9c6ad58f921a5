// Package codec reads and writes the messages of Mesos' v1 HTTP APIs as a master does, in
// JSON and in protobuf.
//
// JSON is Mesos' own dialect: encoding/json would be stricter in some places and laxer in
// others, and its errors have other words. The package knows the messages only by the
// tags of their fields.
package codec

import (
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// Media types of the v1 APIs.
const (
	MediaJSON     = "application/json"
	MediaProtobuf = "application/x-protobuf"
)

// Message is what the generated messages of mesos-go are.
type Message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// Encode writes a message in the media type that the client accepts.
func Encode(mediaType string, message Message) ([]byte, error) {
	if mediaType == MediaProtobuf {
		return message.Marshal()
	}
	return EncodeJSON(message)
}

// Decode reads a message in the media type that the client sent; name is its
// name in Mesos' error texts.
func Decode(mediaType string, data []byte, message Message, name string) error {
	if mediaType == MediaJSON {
		return DecodeJSON(data, message, name)
	}
	if err := message.Unmarshal(data); err != nil {
		return mesoserror.Errorf("Failed to parse body into %s protobuf", name)
	}
	return nil
}
