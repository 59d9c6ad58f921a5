package taskrecord

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTrim(t *testing.T) {
	for name, text := range map[string]string{
		"short":           "exit 1",
		"long":            strings.Repeat("a", 2*maxMessage),
		"long, in Greek":  strings.Repeat("α", maxMessage),
		"not text at all": "\xff\xfe",
	} {
		got := trim(text)
		if len(got) > maxMessage || !utf8.ValidString(got) || name == "short" && got != text {
			t.Errorf("%s: %d bytes, valid: %t", name, len(got), utf8.ValidString(got))
		}
	}
}
