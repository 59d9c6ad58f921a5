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
