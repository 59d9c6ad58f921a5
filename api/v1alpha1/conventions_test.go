package v1alpha1

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// field is one field of an API type.
type field struct {
	place    string // <type>.<field>
	json     string
	options  []string // of the JSON tag
	doc      string
	optional bool
	embedded bool
	pointer  bool
}

// fields reads the files with types: a type that is added is checked without being listed here.
func fields(t *testing.T) []field {
	t.Helper()
	files, err := filepath.Glob("*_types.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var out []field
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					out = append(out, newField(t, spec.Name.Name, f))
				}
			}
			return false
		})
	}
	return out
}

func newField(t *testing.T, owner string, f *ast.Field) field {
	t.Helper()
	out := field{place: owner + ".?", embedded: len(f.Names) == 0, doc: f.Doc.Text()}
	if len(f.Names) == 1 {
		out.place = owner + "." + f.Names[0].Name
	}
	if f.Tag == nil {
		t.Fatalf("%s has no JSON tag", out.place)
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		t.Fatal(err)
	}
	name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	out.json, out.options = name, strings.Split(options, ",")
	_, out.pointer = f.Type.(*ast.StarExpr)
	if f.Doc != nil {
		for _, line := range f.Doc.List {
			out.optional = out.optional || strings.TrimSpace(strings.TrimPrefix(line.Text, "//")) == "+optional"
		}
	}
	return out
}

// isOfObject reports whether the field is metadata, spec or status of an object, or the items of
// a list: their comments would repeat the type's.
func (f field) isOfObject() bool {
	return slices.Contains([]string{"metadata", "spec", "status", "items"}, f.json) && strings.HasPrefix(f.place, "Mesos")
}

func TestFieldsHaveJSONNamesInCamelCase(t *testing.T) {
	camel := regexp.MustCompile("^[a-z][A-Za-z0-9]*$")
	// Kubernetes' own name of the resource.
	const ephemeralStorage = "ephemeral-storage"
	for _, f := range fields(t) {
		if !f.embedded && f.json != ephemeralStorage && !camel.MatchString(f.json) {
			t.Errorf("%s has the JSON name %q", f.place, f.json)
		}
	}
}

// kubectl explain shows the comments.
func TestFieldsAreDocumentedUnderTheirJSONNames(t *testing.T) {
	for _, f := range fields(t) {
		if f.embedded || f.isOfObject() {
			continue
		}
		text, _, _ := strings.Cut(f.doc, "\n+") // the markers follow
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, f.json+" ") || !strings.HasSuffix(text, ".") {
			t.Errorf("the comment of %s is %q, want sentences that begin with %s", f.place, text, f.json)
		}
	}
}

func TestOptionalFieldsAreOmittedWhenUnset(t *testing.T) {
	zeroIsSent := []string{
		// The default is 0.
		"Autoscaling.MinReplicas", "Autoscaling.Weight", "NodeShape.Preference",
		// Users see 0 rather than nothing.
		"MesosNodePoolStatus.Replicas", "MesosNodePoolStatus.ReadyReplicas", "AutoscalingDecision.Nodes",
	}
	for _, f := range fields(t) {
		if f.embedded || f.isOfObject() {
			continue
		}
		omitted := slices.Contains(f.options, "omitempty") || slices.Contains(f.options, "omitzero")
		if f.optional && !omitted && !slices.Contains(zeroIsSent, f.place) {
			t.Errorf("%s is optional, and its zero value is sent", f.place)
		}
		if !f.optional && (omitted || f.pointer) {
			t.Errorf("%s is required, and can be left out", f.place)
		}
	}
}

// A user reads the default in kubectl explain, which does not show the marker.
func TestDefaultsAreInTheComments(t *testing.T) {
	files, err := filepath.Glob("*_types.go")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range file.Comments {
			for _, line := range group.List {
				value, found := strings.CutPrefix(line.Text, "// +kubebuilder:default=")
				if !found || strings.HasPrefix(value, "{") {
					continue
				}
				checked++
				if text := strings.Join(strings.Fields(group.Text()), " "); !strings.Contains(text, strings.Trim(value, `"`)) || !strings.Contains(strings.ToLower(text), "default") {
					t.Errorf("%s: the default %s is not in the comment %q", name, value, text)
				}
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d defaults were found", checked)
	}
}
