package mesostest

import (
	"mime"
	"net/http"
	"strings"
)

const (
	mediaJSON     = "application/json"
	mediaProtobuf = "application/x-protobuf"
)

// protobufMessage is what the generated messages of mesos-go are.
type protobufMessage interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// encode writes a message in the media type that the client accepts.
func encode(mediaType string, message protobufMessage) ([]byte, error) {
	if mediaType == mediaProtobuf {
		return message.Marshal()
	}
	return encodeJSON(message)
}

// decode reads a message in the media type that the client sent; name is its
// name in Mesos' error texts.
func decode(mediaType string, data []byte, message protobufMessage, name string) error {
	if mediaType == mediaJSON {
		return decodeJSON(data, message, name)
	}
	if err := message.Unmarshal(data); err != nil {
		return worded("Failed to parse body into %s protobuf", name)
	}
	return nil
}

// acceptedType is the media type to answer in; empty if the client takes none of
// ours. JSON goes first, as it does in Mesos.
func acceptedType(r *http.Request) string {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if header == "" {
		return mediaJSON
	}
	accepts := map[string]bool{}
	for _, part := range strings.Split(header, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err == nil && params["q"] != "0" {
			accepts[media] = true
		}
	}
	for _, media := range []string{mediaJSON, mediaProtobuf} {
		if accepts[media] || accepts["application/*"] || accepts["*/*"] {
			return media
		}
	}
	return ""
}
