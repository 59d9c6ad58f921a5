package messages_test

import (
	"strings"
	"testing"

	"github.com/k8sm/k8sm/controllers/messages"
)

func TestTextsOfOthersAreJoinedToSentences(t *testing.T) {
	for name, test := range map[string]struct {
		texts []string
		want  string
	}{
		"without a full stop, as a real master writes": {[]string{"Framework has been removed", "Mesos has killed its nodes."}, "Framework has been removed. Mesos has killed its nodes."},
		"with a full stop":              {[]string{"Framework has been removed.", "Mesos has killed its nodes."}, "Framework has been removed. Mesos has killed its nodes."},
		"with a line break at the end":  {[]string{"exit status 1\n", "It is tried again."}, "exit status 1. It is tried again."},
		"with a blank at the beginning": {[]string{"EOF", " It is tried again."}, "EOF. It is tried again."},
		"that ask":                      {[]string{"Is the agent up?", "Look."}, "Is the agent up? Look."},
		"that end in a colon":           {[]string{"The master says:", "no"}, "The master says: no"},
		"that were shortened":           {[]string{"A long st…", "It is tried again."}, "A long st… It is tried again."},
		"that end in a quoted sentence": {[]string{`It said "no."`, "Look."}, `It said "no." Look.`},
		"that end in a bracket":         {[]string{"It failed (exit 1)", "Look."}, "It failed (exit 1). Look."},
		"the last stays as it is":       {[]string{"EOF"}, "EOF"},
		"empty texts":                   {[]string{"", "EOF", " ", "Look.", ""}, "EOF. Look."},
		"nothing":                       {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := messages.Sentences(test.texts...); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Whatever the texts are, all words are kept and no two run into each other.
func FuzzSentences(f *testing.F) {
	f.Add("Framework has been removed", "Mesos has killed its nodes.")
	f.Fuzz(func(t *testing.T, a, b string) {
		got := messages.Sentences(a, b)
		for _, text := range []string{a, b} {
			if !strings.Contains(got, strings.TrimSpace(text)) {
				t.Errorf("%q is not in %q", text, got)
			}
		}
		if strings.TrimSpace(a) != "" && strings.TrimSpace(b) != "" && !strings.HasSuffix(got, " "+strings.TrimSpace(b)) {
			t.Errorf("no blank before the last sentence in %q", got)
		}
	})
}
