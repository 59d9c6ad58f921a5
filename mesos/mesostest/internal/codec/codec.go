package codec

import (
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

const (
	MediaJSON     = "application/json"
	MediaProtobuf = "application/x-protobuf"
)

// protobufMessage is what the generated messages of mesos-go are.
type Message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// encode writes a message in the media type that the client accepts.
func Encode(mediaType string, message Message) ([]byte, error) {
	if mediaType == MediaProtobuf {
		return message.Marshal()
	}
	return EncodeJSON(message)
}

// decode reads a message in the media type that the client sent; name is its
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
