// Package httpapi reads calls of Mesos' v1 HTTP APIs and writes their answers, with the
// statuses, headers and texts of libprocess.
package httpapi

import (
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"strings"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
)

// maxBody bounds the calls that are read.
const maxBody = 64 << 20

// DiscardLog is a log for http.Server: broken connections are part of what tests provoke.
var DiscardLog = log.New(io.Discard, "", 0)

// Refuse answers with an error as libprocess does, in plain text.
func Refuse(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, format, args...)
}

// WriteAccepted answers 202: the call was accepted, and may still have no effect.
func WriteAccepted(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
}

// ReadCall reads the call of a request. If it cannot, it answers the request and returns
// false.
func ReadCall(w http.ResponseWriter, r *http.Request, call codec.Message) bool {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		Refuse(w, http.StatusMethodNotAllowed,
			"405 Method Not Allowed. Expecting one of { 'POST' }, but received '%s'.", r.Method)
		return false
	}
	mediaType := r.Header.Get("Content-Type")
	switch mediaType {
	case "":
		Refuse(w, http.StatusBadRequest, "Expecting 'Content-Type' to be present")
		return false
	case codec.MediaJSON, codec.MediaProtobuf:
	default:
		Refuse(w, http.StatusUnsupportedMediaType, "Expecting 'Content-Type' of %s or %s", codec.MediaJSON, codec.MediaProtobuf)
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		Refuse(w, http.StatusBadRequest, "Failed to read body: %v", err)
		return false
	}
	if err := codec.Decode(mediaType, body, call, "Call"); err != nil {
		Refuse(w, http.StatusBadRequest, "%v", err)
		return false
	}
	return true
}

// gzipLeast is the length of the shortest answer that is compressed. Streams never are.
const gzipLeast = 1024

// WriteBody writes an answer, compressed where the client takes that.
func WriteBody(w http.ResponseWriter, r *http.Request, body []byte) {
	if len(body) < gzipLeast || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}

// Negotiate chooses the media type of the answer. If the client accepts none, it answers
// the request and returns false.
func Negotiate(w http.ResponseWriter, r *http.Request) (mediaType string, ok bool) {
	if mediaType = acceptedType(r); mediaType == "" {
		Refuse(w, http.StatusNotAcceptable, "Expecting 'Accept' to allow '%s' or '%s'", codec.MediaProtobuf, codec.MediaJSON)
		return "", false
	}
	return mediaType, true
}

// StartStream answers 200 and makes the answer a stream of events.
func StartStream(w http.ResponseWriter, mediaType, streamID string) {
	w.Header().Set("Content-Type", mediaType)
	if streamID != "" {
		w.Header().Set("Mesos-Stream-Id", streamID)
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
}

// acceptedType is the media type to answer in; empty if the client takes none of
// ours. JSON goes first, as it does in Mesos.
func acceptedType(r *http.Request) string {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if header == "" {
		return codec.MediaJSON
	}
	accepts := map[string]bool{}
	for _, part := range strings.Split(header, ",") {
		media, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err == nil && params["q"] != "0" {
			accepts[media] = true
		}
	}
	for _, media := range []string{codec.MediaJSON, codec.MediaProtobuf} {
		if accepts[media] || accepts["application/*"] || accepts["*/*"] {
			return media
		}
	}
	return ""
}
