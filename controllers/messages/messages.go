package messages

import (
	"fmt"
	"strings"
)

const (
	// MaxEvent is the number of bytes that the note of an event may have. The API server
	// refuses notes of more than 1,024 bytes; the rest is room for what precedes the note.
	MaxEvent = 1000
	// MaxCondition is the number of bytes to which messages of conditions are shortened that
	// quote others. The API server accepts longer ones.
	MaxCondition = 1024
)

// ellipsis ends a message that was shortened.
const ellipsis = "…"

// Truncate returns s in at most limit bytes, with an ellipsis at the end if anything was
// cut off. It never cuts inside a UTF-8 character. Bytes that are not valid UTF-8 become "?":
// JSON cannot hold them.
func Truncate(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= limit {
		return s
	}
	if limit < len(ellipsis) {
		return ""
	}
	return strings.ToValidUTF8(s[:limit-len(ellipsis)], "") + ellipsis
}

// Count puts a number before a noun: "1 node", "2 nodes".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// List joins the first few items, most at most, and counts the rest: "a, b and 3 more".
func List(items []string, separator string, most int) string {
	if len(items) <= most {
		return strings.Join(items, separator)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:most], separator), len(items)-most)
}
