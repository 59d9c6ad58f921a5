package connection_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"

	"github.com/k8sm/k8sm/mesos/scheduler/connection"
)

// A constant that is missing in the list would be missing in the tables of callers that map
// reasons, so the list is compared with the source.
func TestStateReasonsListsEveryConstant(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "statereason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "StateReason" {
			declared += len(spec.Names)
		}
		return true
	})
	reasons := connection.StateReasons()
	if declared == 0 || declared != len(reasons) {
		t.Errorf("%d constants of the type are declared, and %d are listed", declared, len(reasons))
	}
	slices.Sort(reasons)
	if unique := slices.Compact(reasons); len(unique) != declared {
		t.Errorf("%d different reasons are listed, want %d", len(unique), declared)
	}
}

func TestStateReasonsCannotBeChangedByACaller(t *testing.T) {
	connection.StateReasons()[0] = "Other"
	if got := connection.StateReasons()[0]; got != connection.Subscribed {
		t.Errorf("the first reason is %q after a caller changed its copy", got)
	}
}
