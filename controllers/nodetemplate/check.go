package nodetemplate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// maxMessage is the maximum length, in bytes, of what Check returns: it goes into conditions.
const maxMessage = 2048

// Refusal is why no node can be made of a template. It is zero if nothing is wrong.
type Refusal struct {
	// Reason is a reason of conditions.
	Reason string
	// Message has whole sentences, and at most 2048 bytes.
	Message string
}

// Refuse returns the refusal for an error.
func Refuse(reason string, err error) Refusal { return Refusal{Reason: reason, Message: sentence(err)} }

// Check returns why no node can be made of the template, as a reason of conditions and a
// message. Both are empty if nothing is wrong.
func Check(spec v1alpha1.NodeTemplateSpec) (reason, message string) {
	if _, err := KubeletConfig(spec); err != nil {
		return v1alpha1.ReasonKubeletConfigInvalid, sentence(err)
	}
	if _, err := StaticPods(spec); err != nil {
		return v1alpha1.ReasonStaticPodsInvalid, sentence(err)
	}
	return "", ""
}

// sentence returns the error as a sentence on one line.
func sentence(err error) string {
	return messages.Truncate(strings.ReplaceAll(err.Error(), "\n", "; "), maxMessage-1) + "."
}

// problemsIn joins the problems of a field into one error, nil if there are none.
func problemsIn(field string, problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", field, errors.Join(problems...))
}
