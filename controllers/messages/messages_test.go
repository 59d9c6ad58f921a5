package messages_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/k8sm/k8sm/controllers/messages"
)

func TestTruncate(t *testing.T) {
	for name, test := range map[string]struct {
		in    string
		limit int
		want  string
	}{
		"a short text is unchanged":                  {"pod a", 5, "pod a"},
		"a long text is cut and ends in an ellipsis": {"pods a and b", 8, "pods …"},
		"a character of two bytes is not cut":        {"Zürich-Oerlikon", 5, "Z…"},
		"a character of four bytes is not cut":       {"a🐟🐟🐟", 8, "a🐟…"},
		"characters are counted in bytes":            {"äöü", 6, "äöü"},
		"invalid UTF-8 is replaced":                  {"exit \xff\xfe status", 20, "exit ? status"},
		"an incomplete character is replaced":        {"caf\xc3", 20, "caf?"},
		"an empty text":                              {"", 5, ""},
		"a limit below the ellipsis":                 {"long", 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := messages.Truncate(test.in, test.limit); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// FuzzTruncate checks that every limit is kept, and that what is left is text and begins as
// the whole did.
func FuzzTruncate(f *testing.F) {
	f.Add("Agent Zürich-3 🐟 is cut off", 14)
	f.Add("\xff\xff\xc3", 3)
	f.Fuzz(func(t *testing.T, in string, limit int) {
		limit = max(limit%2000, -(limit % 2000))
		got := messages.Truncate(in, limit)
		if len(got) > limit {
			t.Errorf("%d bytes, want %d at most", len(got), limit)
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q is not valid UTF-8", got)
		}
		if text := strings.ToValidUTF8(in, "?"); !strings.HasPrefix(text, strings.TrimSuffix(got, "…")) {
			t.Errorf("%q does not begin as %q", got, text)
		}
	})
}

func TestTruncateKeepsWholeCharactersAtEveryLength(t *testing.T) {
	long := strings.Repeat("Größe 🐟, ", 300)
	for limit := len("…"); limit < len(long); limit++ {
		if got := messages.Truncate(long, limit); len(got) > limit || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Fatalf("limit %d: %d bytes, valid: %t", limit, len(got), utf8.ValidString(got))
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 nodes wait", 1: "1 node waits", 2: "2 nodes wait"} {
		if got := messages.Count(n, "node waits", "nodes wait"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestList(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	for name, test := range map[string]struct {
		items     []string
		separator string
		most      int
		want      string
	}{
		"a short list is complete":                 {names[:2], ", ", 5, "a, b"},
		"a list of the maximum length is complete": {names[:5], ", ", 5, "a, b, c, d, e"},
		"the rest of a long list is counted":       {names, ", ", 5, "a, b, c, d, e and 2 more"},
		"items that have commas in them":           {names[:4], "; ", 3, "a; b; c and 1 more"},
		"one":                                      {names[:1], ", ", 5, "a"},
		"none":                                     {nil, ", ", 5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := messages.List(test.items, test.separator, test.most); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
