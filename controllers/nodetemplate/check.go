package nodetemplate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// maxMessage bounds what is said of a template: it stands in conditions.
const maxMessage = 2048

// Check tells why no node can be made of the template, "" if one can.
func Check(spec v1alpha1.NodeTemplateSpec) (reason, message string) {
	if _, err := KubeletConfig(spec); err != nil {
		return v1alpha1.ReasonKubeletConfigInvalid, said(err)
	}
	if _, err := StaticPods(spec); err != nil {
		return v1alpha1.ReasonStaticPodsInvalid, said(err)
	}
	return "", ""
}

// said is the error as a sentence on one line.
func said(err error) string {
	s := strings.ReplaceAll(err.Error(), "\n", "; ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s + "."
}

// in says where the problems are, nil if there are none.
func in(where string, problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", where, errors.Join(problems...))
}
