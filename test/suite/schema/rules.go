package schema

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Rule is one CEL rule of a CRD.
type Rule struct {
	// Place is the path of the value that the rule is about, with [] for the items of a list
	// and of a map: spec.template.spec.taints[].key.
	Place string
	// Reported is the path that an error of the rule names.
	Reported string
	// Message is what the user sees.
	Message string
	// Transition: the rule compares with the stored object, so that it is not evaluated for a
	// new one.
	Transition bool
}

// Rules returns the rules of the kind in the order of their places.
func (k *Kind) Rules() []Rule {
	var rules []Rule
	walk(k.structural, "", &rules)
	slices.SortStableFunc(rules, func(a, b Rule) int { return cmp.Compare(a.Place, b.Place) })
	return rules
}

func walk(s *structuralschema.Structural, place string, rules *[]Rule) {
	if s == nil {
		return
	}
	for _, r := range s.XValidations {
		*rules = append(*rules, Rule{
			Place: place, Reported: strings.TrimPrefix(place+r.FieldPath, "."), Message: r.Message, Transition: strings.Contains(r.Rule, "oldSelf") && (r.OptionalOldSelf == nil || !*r.OptionalOldSelf),
		})
	}
	for name, property := range s.Properties {
		walk(&property, strings.TrimPrefix(place+"."+name, "."), rules)
	}
	walk(s.Items, place+"[]", rules)
	if s.AdditionalProperties != nil {
		walk(s.AdditionalProperties.Structural, place+"[]", rules)
	}
}

// key is an index of a list or a key of a map in the path of an error.
var key = regexp.MustCompile(`\[[^]]*\]`)

// Violated returns the rules that the error of a Create or Update reports.
func (k *Kind) Violated(err error) []Rule {
	var errs Errors
	if !errors.As(err, &errs) {
		return nil
	}
	var out []Rule
	for _, rule := range k.Rules() {
		if slices.ContainsFunc(errs, rule.isCauseOf) {
			out = append(out, rule)
		}
	}
	return out
}

// wholeObject is the path in an error about the whole object.
const wholeObject = "<nil>"

// isCauseOf reports whether the error is the rule's.
func (r Rule) isCauseOf(err *field.Error) bool {
	path := key.ReplaceAllString(err.Field, "[]")
	if path == wholeObject {
		path = ""
	}
	return err.Detail == r.Message && path == r.Reported
}
