// Package docs checks the pages that users read against the code: every reason and
// event of the API is explained, and every link leads somewhere.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../../.."

// TestEveryReasonIsExplained holds docs/troubleshooting.md against the constants of the
// API, in both directions: a reason that the code can show is on the page, and the page
// explains no reason that the code does not have.
func TestEveryReasonIsExplained(t *testing.T) {
	page := read(t, "docs/troubleshooting.md")
	known := map[string]bool{}
	for name, value := range constants(t, "conditions.go", `^(Condition|Reason|Event)[A-Z]`, 90) {
		known[value] = true
		if !strings.Contains(page, "`"+value+"`") {
			t.Errorf("docs/troubleshooting.md does not explain %s (%q)", name, value)
		}
	}
	for _, value := range explained(page) {
		if !known[value] {
			t.Errorf("docs/troubleshooting.md explains %q, which is no condition, reason or event of the API", value)
		}
	}
}

// TestEveryNameIsListed holds docs/reference/names.md against the names and conditions of
// the API.
func TestEveryNameIsListed(t *testing.T) {
	page := read(t, "docs/reference/names.md")
	for file, names := range map[string]struct {
		pattern string
		least   int
	}{
		"names.go":      {`^[A-Z]`, 13},
		"conditions.go": {`^Condition[A-Z]`, 11},
	} {
		for name, value := range constants(t, file, names.pattern, names.least) {
			if !strings.Contains(page, value) {
				t.Errorf("docs/reference/names.md does not list %s (%q)", name, value)
			}
		}
	}
}

// constants returns the string constants in a file of the API whose names match the
// pattern, name to value. It fails if there are fewer than the least number.
func constants(t *testing.T, file, pattern string, least int) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "api/v1alpha1", file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(pattern)
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if !wanted.MatchString(name.Name) || i >= len(spec.Values) {
				continue
			}
			if value, ok := spec.Values[i].(*ast.BasicLit); ok && value.Kind == token.STRING {
				found[name.Name], _ = strconv.Unquote(value.Value)
			}
		}
		return true
	})
	if len(found) < least {
		t.Fatalf("found %d constants in %s, fewer than there were (%d): are they in another file now?", len(found), file, least)
	}
	return found
}

// explained returns the words in the reason columns of the tables of the page.
func explained(page string) (values []string) {
	word := regexp.MustCompile("`([A-Z][A-Za-z]+)`")
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) < 2 {
			continue
		}
		columns := cells[:1]
		if len(cells) == 4 { // condition and reason
			columns = cells[:2]
		}
		for _, m := range word.FindAllStringSubmatch(strings.Join(columns, " "), -1) {
			values = append(values, m[1])
		}
	}
	return values
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	fence   = regexp.MustCompile("(?ms)^[ ]*```.*?^[ ]*```")
)

// TestLinksLeadSomewhere follows every relative link of every page, down to the heading.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, filepath.Join(root, "docs/reference/names.md"))
	pages = append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md"))
	links := 0
	for _, page := range pages {
		text := fence.ReplaceAllString(read(t, strings.TrimPrefix(page, root+"/")), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			links++
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", page, m[1], target)
			}
		}
	}
	if links < 20 {
		t.Errorf("found %d links, fewer than there were: the pattern of a link no longer fits", links)
	}
}

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(t *testing.T, page string) (all []string) {
	text := fence.ReplaceAllString(read(t, strings.TrimPrefix(page, root+"/")), "")
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The port of a kubelet is one of an offer, so what assumes 10250 finds nothing.
func TestProductsThatAskKubeletsAreTold(t *testing.T) {
	page := read(t, "docs/runtime.md")
	for _, want := range []string{"status.daemonEndpoints", "--kubelet-use-node-status-port"} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/runtime.md does not name %s", want)
		}
	}
}
