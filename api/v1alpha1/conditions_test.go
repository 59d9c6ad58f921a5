package v1alpha1

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// constant is one constant of conditions.go.
type constant struct {
	name, value, doc string
}

// constants reads conditions.go: a constant that is added there is checked without being listed
// here.
func constants(t *testing.T, prefix string) []constant {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var out []constant
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, s := range group.Specs {
			spec := s.(*ast.ValueSpec)
			if len(spec.Names) != 1 || len(spec.Values) != 1 {
				t.Fatalf("%v: want one constant a line", spec.Names)
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is no literal", spec.Names[0])
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			doc := spec.Doc.Text()
			if doc == "" && !group.Lparen.IsValid() {
				doc = group.Doc.Text()
			}
			if strings.HasPrefix(spec.Names[0].Name, prefix) {
				out = append(out, constant{spec.Names[0].Name, value, doc})
			}
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %d constants begin with %s", len(out), prefix)
	}
	return out
}

func TestConstantsAreOfKnownKinds(t *testing.T) {
	known := regexp.MustCompile("^(Condition|Reason|Event)[A-Z]")
	for _, c := range constants(t, "") {
		if !known.MatchString(c.name) {
			t.Errorf("%s is no condition, reason or reason of an event: no test checks it", c.name)
		}
	}
}

func TestReasonsAreDocumented(t *testing.T) {
	for _, prefix := range []string{"Reason", "Event"} {
		for _, c := range constants(t, prefix) {
			if !strings.HasPrefix(c.doc, c.name+": ") || !strings.HasSuffix(strings.TrimSpace(c.doc), ".") {
				t.Errorf("the comment of %s is %q, want one that begins with its name and a colon, and ends with a full stop", c.name, c.doc)
			}
		}
	}
	for _, c := range constants(t, "Condition") {
		if !strings.HasPrefix(c.doc, c.name+" ") {
			t.Errorf("the comment of %s is %q, want one that begins with its name", c.name, c.doc)
		}
	}
}

// People and programs match reasons by their value. It is the name, so that a value seen in a
// cluster can be found in the code.
func TestReasonsAreCalledAsTheirConstants(t *testing.T) {
	exceptions := map[string]string{"EventCSRApproved": "CertificateApproved", "EventCSRDenied": "CertificateDenied"}
	for _, prefix := range []string{"Condition", "Reason", "Event"} {
		for _, c := range constants(t, prefix) {
			want := strings.TrimPrefix(c.name, prefix)
			if other, ok := exceptions[c.name]; ok {
				want = other
			}
			if c.value != want {
				t.Errorf("%s is %q, want %q", c.name, c.value, want)
			}
		}
	}
}

// The API server refuses conditions with other reasons.
func TestReasonsAreValid(t *testing.T) {
	valid := regexp.MustCompile("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
	for _, prefix := range []string{"Condition", "Reason", "Event"} {
		for _, c := range constants(t, prefix) {
			if !valid.MatchString(c.value) || len(c.value) > 128 {
				t.Errorf("%s is %q, which the API server refuses", c.name, c.value)
			}
		}
	}
}

func TestReasonsAreUnique(t *testing.T) {
	for _, prefix := range []string{"Condition", "Reason", "Event"} {
		seen := map[string]string{}
		for _, c := range constants(t, prefix) {
			if other, ok := seen[c.value]; ok {
				t.Errorf("%s and %s have the same value %q", other, c.name, c.value)
			}
			seen[c.value] = c.name
		}
	}
}

// A reason that no controller sets misleads the author of an alert. The controllers are in
// another module, which is beside this one in the repository.
func TestReasonsAreUsed(t *testing.T) {
	const controllers = "../../controllers"
	if _, err := os.Stat(controllers); err != nil {
		t.Skip("the controllers are not there: this module is used alone")
	}
	used := map[string]bool{}
	name := regexp.MustCompile(`v1alpha1\.((?:Condition|Reason|Event)\w+)`)
	err := filepath.WalkDir(controllers, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range name.FindAllSubmatch(source, -1) {
			used[string(match[1])] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"Condition", "Reason", "Event"} {
		for _, c := range constants(t, prefix) {
			if !used[c.name] {
				t.Errorf("no controller uses %s", c.name)
			}
		}
	}
}
