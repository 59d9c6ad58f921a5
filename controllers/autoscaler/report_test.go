package autoscaler

import (
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/client-go/tools/events"
)

// The API server refuses notes of more than 1,024 bytes, and JSON cannot hold half a
// character.
func TestALongReasonIsShortenedBetweenCharacters(t *testing.T) {
	for _, prefix := range []string{"", "a", "ab", "abc"} {
		recorder := events.NewFakeRecorder(1)
		r := &Reconciler{Options: Options{Recorder: recorder}}
		r.recordNotTriggeredEvent(newPod("web", "1"), prefix+strings.Repeat("€", 1000))
		note := <-recorder.Events
		note = note[strings.Index(note, "No node"):]
		if len(note) > 1024 {
			t.Errorf("the note has %d bytes", len(note))
		}
		if !utf8.ValidString(note) || strings.ContainsRune(note, utf8.RuneError) {
			t.Errorf("the note ends in a broken character: %q", note[len(note)-10:])
		}
		if !strings.HasPrefix(note, "No node is made for the pod. "+prefix+"€€") || !strings.HasSuffix(note, "€…") {
			t.Errorf("the note is %q", note)
		}
	}
}
