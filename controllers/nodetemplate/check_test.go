package nodetemplate

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestCheckNamesTheFirstPartOfTheTemplateThatIsWrong(t *testing.T) {
	broken := `{"apiVersion": "v1"}`
	tests := map[string]struct {
		config string
		pods   []string
		reason string
		part   string // of the message
	}{
		"nothing is wrong":                             {config: `{"maxPods": 30}`, pods: []string{manifest("one", "")}},
		"the kubelet's configuration":                  {config: `{"maxPod": 30}`, reason: v1alpha1.ReasonKubeletConfigInvalid, part: "template.spec.kubelet.config: "},
		"a static pod":                                 {pods: []string{broken}, reason: v1alpha1.ReasonStaticPodsInvalid, part: "template.spec.kubelet.staticPods: [0]: "},
		"the kubelet's configuration and a static pod": {config: `{"maxPod": 30}`, pods: []string{broken}, reason: v1alpha1.ReasonKubeletConfigInvalid},
		"the second of two static pods":                {pods: []string{manifest("one", ""), broken}, reason: v1alpha1.ReasonStaticPodsInvalid, part: "[1]: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			template := withPods(test.pods...)
			template.Kubelet.Config = spec(test.config).Kubelet.Config
			reason, message := Check(template)
			if reason != test.reason || !strings.Contains(message, test.part) || (message == "") != (reason == "") {
				t.Errorf("got %s: %s", reason, message)
			}
		})
	}
}

func TestASentenceIsOneLineThatEndsWithAFullStop(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"one problem":  {"a", "a."},
		"two problems": {"a\nb", "a; b."},
	} {
		if got := sentence(errors.New(test.text)); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	for _, text := range []string{strings.Repeat("a", 2*maxMessage), strings.Repeat("ä", maxMessage), "a" + strings.Repeat("ä", maxMessage)} {
		got := sentence(errors.New(text))
		if len(got) > maxMessage || len(got) < maxMessage-10 || !utf8.ValidString(got) || !strings.HasSuffix(got, "….") {
			t.Errorf("%d bytes, valid: %t, end %q", len(got), utf8.ValidString(got), got[len(got)-10:])
		}
	}
}

func TestProblemsOfAField(t *testing.T) {
	if err := problemsIn("field", nil); err != nil {
		t.Errorf("no problems are %v", err)
	}
	first, second := errors.New("first"), errors.New("second")
	err := problemsIn("field", []error{first, second})
	if !errors.Is(err, first) || !errors.Is(err, second) || err.Error() != "field: first\nsecond" {
		t.Errorf("got %q", err)
	}
}
