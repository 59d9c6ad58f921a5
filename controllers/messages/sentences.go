package messages

import (
	"strings"
	"unicode"
)

// Sentences joins texts to sentences, with one blank between them. Texts of others (Mesos,
// executors, the API server) end in a full stop or not: one is added where none is, except to
// the last text, whose end nothing follows. Empty texts are left out.
func Sentences(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		if b.Len() > 0 {
			if !endsSentence(b.String()) {
				b.WriteByte('.')
			}
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}

// endsSentence reports whether a text ends in a mark after which a sentence may begin. A quote
// or a bracket may follow the mark.
func endsSentence(text string) bool {
	text = strings.TrimRightFunc(text, func(r rune) bool { return unicode.In(r, unicode.Pe, unicode.Pf) || r == '"' || r == '\'' })
	return strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") ||
		strings.HasSuffix(text, ":") || strings.HasSuffix(text, ellipsis)
}
