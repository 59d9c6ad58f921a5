// Package offerconstraints reads the offer constraints of a scheduler, checks them, and
// matches agents against them.
//
// Offer constraints are new in Mesos 1.11, and missing in the messages of mesos-go.
package offerconstraints

import (
	"errors"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

type (
	// Message is the protobuf message OfferConstraints: for each role of a framework, which
	// agents it wants offers of. Groups are alternatives; the constraints of a group must all
	// hold.
	Message struct {
		RoleConstraints map[string]roleConstraints `protobuf:"bytes,1,rep,name=role_constraints"`
	}
	roleConstraints struct {
		Groups []constraintGroup `protobuf:"bytes,1,rep,name=groups"`
	}
	constraintGroup struct {
		AttributeConstraints []attributeConstraint `protobuf:"bytes,1,rep,name=attribute_constraints"`
	}
	attributeConstraint struct {
		Selector  attributeSelector  `protobuf:"bytes,1,req,name=selector"`
		Predicate attributePredicate `protobuf:"bytes,2,req,name=predicate"`
	}
	attributeSelector struct {
		PseudoattributeType *pseudoattribute `protobuf:"varint,1,opt,name=pseudoattribute_type,enum=PseudoattributeType"`
		AttributeName       *string          `protobuf:"bytes,2,opt,name=attribute_name"`
	}
	attributePredicate struct {
		Exists         *struct{}      `protobuf:"bytes,1,opt,name=exists"`
		NotExists      *struct{}      `protobuf:"bytes,2,opt,name=not_exists"`
		TextEquals     *textPredicate `protobuf:"bytes,3,opt,name=text_equals"`
		TextNotEquals  *textPredicate `protobuf:"bytes,4,opt,name=text_not_equals"`
		TextMatches    *textPattern   `protobuf:"bytes,5,opt,name=text_matches"`
		TextNotMatches *textPattern   `protobuf:"bytes,6,opt,name=text_not_matches"`
	}
	textPredicate struct {
		Value string `protobuf:"bytes,1,req,name=value"`
	}
	textPattern struct {
		Regex string `protobuf:"bytes,1,req,name=regex"`
	}
)

// pseudoattribute is what each agent has without naming it an attribute.
type pseudoattribute int32

const (
	pseudoUnknown pseudoattribute = iota
	pseudoHostname
	pseudoRegion
	pseudoZone
)

var pseudoattributes = []string{"UNKNOWN", "HOSTNAME", "REGION", "ZONE"}

func (p pseudoattribute) String() string { return pseudoattributes[p] }

// UnmarshalJSON takes the name of a pseudo-attribute.
func (p *pseudoattribute) UnmarshalJSON(quoted []byte) error {
	name, err := strconv.Unquote(string(quoted))
	if err != nil {
		return err
	}
	i := slices.Index(pseudoattributes, name)
	if i < 0 {
		return mesoserror.Errorf("unknown pseudo-attribute %q", name)
	}
	*p = pseudoattribute(i)
	return nil
}

// IsKnown reports whether a master knows the number: others are as if not set.
func (p pseudoattribute) IsKnown() bool { return p >= 0 && int(p) < len(pseudoattributes) }

// Constraints are offer constraints that were found valid, by role. A role without
// any is offered all agents.
type Constraints map[string][][]func(*Agent) bool

// Admit reports whether the role's constraints let an agent be offered.
func (c Constraints) Admit(role string, a *Agent) bool {
	groups, ok := c[role]
	if !ok {
		return true
	}
	return slices.ContainsFunc(groups, func(group []func(*Agent) bool) bool {
		return !slices.ContainsFunc(group, func(holds func(*Agent) bool) bool { return !holds(a) })
	})
}

// Compile checks offer constraints, with errors in Mesos' words.
func (o *Message) Compile() (Constraints, error) {
	out := Constraints{}
	for _, role := range slices.Sorted(maps.Keys(o.RoleConstraints)) {
		groups := o.RoleConstraints[role].Groups
		if len(groups) == 0 {
			return nil, mesoserror.Errorf("'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role %s", role)
		}
		for _, group := range groups {
			if len(group.AttributeConstraints) == 0 {
				return nil, mesoserror.Errorf("'OfferConstraints::RoleConstraints::groups' for role %scontains an empty RoleConstraints::Group", role)
			}
			var all []func(*Agent) bool
			for _, constraint := range group.AttributeConstraints {
				holds, err := constraint.compile()
				if err != nil {
					return nil, mesoserror.Errorf("A role %s has an invalid 'AttributeConstraint': %v", role, err)
				}
				all = append(all, holds)
			}
			out[role] = append(out[role], all)
		}
	}
	return out, nil
}

func (c *attributeConstraint) compile() (func(*Agent) bool, error) {
	value, err := c.Selector.compile()
	if err != nil {
		return nil, err
	}
	predicate, err := c.Predicate.compile()
	if err != nil {
		return nil, err
	}
	return func(a *Agent) bool { return predicate(value(a)) }, nil
}

// Agent is what constraints see of an agent.
type Agent struct {
	Hostname     string
	Region, Zone string // both empty outside of any fault domain
	Attributes   []mesos.Attribute
}

// attributeValue is what an agent has under a name.
type attributeValue struct {
	exists bool
	isText bool
	text   string
}

func (s *attributeSelector) compile() (func(*Agent) attributeValue, error) {
	switch {
	case s.AttributeName != nil:
		return func(a *Agent) attributeValue { return attributeOf(a, *s.AttributeName) }, nil
	case s.PseudoattributeType == nil:
		return nil, mesoserror.Errorf("Exactly one of 'AttributeConstraint::Selector::name' or " +
			"'AttributeConstraint::Selector::pseudoattribute_type' must be set")
	}
	switch *s.PseudoattributeType {
	case pseudoHostname:
		return func(a *Agent) attributeValue { return attributeValue{true, true, a.Hostname} }, nil
	case pseudoRegion:
		return func(a *Agent) attributeValue { return attributeValue{a.Region != "", true, a.Region} }, nil
	case pseudoZone:
		return func(a *Agent) attributeValue { return attributeValue{a.Region != "", true, a.Zone} }, nil
	}
	return nil, mesoserror.Errorf("Unknown pseudoattribute type")
}

// attributeOf an agent: the first one of the name counts.
func attributeOf(a *Agent, name string) attributeValue {
	i := slices.IndexFunc(a.Attributes, func(x mesos.Attribute) bool { return x.Name == name })
	if i < 0 {
		return attributeValue{}
	}
	if text := a.Attributes[i].Text; text != nil {
		return attributeValue{true, true, text.Value}
	}
	return attributeValue{exists: true}
}

// compile makes a test of the predicate. Predicates of texts hold for all that exists and
// is no text; of what does not exist, the negative ones do.
func (p *attributePredicate) compile() (func(attributeValue) bool, error) {
	switch {
	case p.Exists != nil:
		return func(s attributeValue) bool { return s.exists }, nil
	case p.NotExists != nil:
		return func(s attributeValue) bool { return !s.exists }, nil
	case p.TextEquals != nil:
		return ofText(false, func(text string) bool { return text == p.TextEquals.Value }), nil
	case p.TextNotEquals != nil:
		return ofText(true, func(text string) bool { return text != p.TextNotEquals.Value }), nil
	case p.TextMatches != nil:
		pattern, err := p.TextMatches.compile()
		return ofText(false, func(text string) bool { return pattern.MatchString(text) }), err
	case p.TextNotMatches != nil:
		pattern, err := p.TextNotMatches.compile()
		return ofText(true, func(text string) bool { return !pattern.MatchString(text) }), err
	}
	return nil, mesoserror.Errorf("Unknown predicate type")
}

func ofText(ofNothing bool, test func(string) bool) func(attributeValue) bool {
	return func(s attributeValue) bool {
		if !s.exists {
			return ofNothing
		}
		return !s.isText || test(s.text)
	}
}

// maxInstructions is about what fits into the 4 KB of memory that a master gives to
// a pattern.
const maxInstructions = 36

// compile makes a pattern that matches whole texts. Go's syntax is that of RE2, which
// a master uses.
func (p *textPattern) compile() (*regexp.Regexp, error) {
	failed := func(why string) error {
		return mesoserror.Errorf("Failed to construct regex from pattern '%s': %s", p.Regex, why)
	}
	parsed, err := syntax.Parse(p.Regex, syntax.Perl)
	var invalid *syntax.Error
	if errors.As(err, &invalid) {
		return nil, failed(strings.Replace(invalid.Code.String(), "missing closing", "missing", 1) + ": " + invalid.Expr)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil || len(program.Inst) > maxInstructions {
		return nil, failed("pattern too large - compile failed")
	}
	return regexp.Compile(`\A(?:` + p.Regex + `)\z`)
}
