package mesosframework

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// apiReasons returns the values of all constants of v1alpha1 whose names begin with Reason.
func apiReasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, value)
		return true
	})
	return reasons
}

func TestEveryReasonOfASessionHasAReasonOfConditions(t *testing.T) {
	known := apiReasons(t)
	if !slices.Contains(known, v1alpha1.ReasonSubscribed) {
		t.Fatalf("the reasons of the API were not found: %q", known)
	}
	from := map[string]scheduler.StateReason{}
	for _, reason := range scheduler.StateReasons() {
		mapped, ok := conditionReasons[reason]
		switch {
		case !ok:
			t.Errorf("%s has no reason of conditions", reason)
		case !slices.Contains(known, mapped):
			t.Errorf("%s becomes %q, which is no reason in api/v1alpha1", reason, mapped)
		case from[mapped] != "":
			t.Errorf("%s and %s both become %s", from[mapped], reason, mapped)
		}
		from[mapped] = reason
	}
	if got, want := len(conditionReasons), len(scheduler.StateReasons()); got != want {
		t.Errorf("%d reasons are mapped, and sessions have %d", got, want)
	}
}

func TestConditionReason(t *testing.T) {
	for name, test := range map[string]struct {
		reason scheduler.StateReason
		want   string
	}{
		"a session that has not begun to connect": {"", v1alpha1.ReasonConnecting},
		"a session that another one ended":        {scheduler.FailedOver, v1alpha1.ReasonFailedOver},
		"a master that refuses the credentials":   {scheduler.Unauthorized, v1alpha1.ReasonUnauthorized},
	} {
		if got := conditionReason(test.reason); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
