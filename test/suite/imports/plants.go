package imports

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// plant is an import in a file of a folder, and the rule that it is planted for.
type plant struct {
	rule, folder, imports string
}

func (p plant) String() string {
	return fmt.Sprintf("%s: %s imports %s", p.rule, p.folder, p.imports)
}

// plants returns the plants for a rule: every import that it denies, in every folder that it
// holds for and in a package below that. Excluded folders get them too; there the rule must
// not refuse them.
func (r rule) plants(name string) ([]plant, error) {
	folders, err := r.folders()
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", name, err)
	}
	var out []plant
	for _, folder := range append(folders, r.excluded()...) {
		for _, where := range []string{folder, folder + "/planted", folder + "/planted/below"} {
			for _, imports := range r.denied() {
				out = append(out, plant{name, where, imports})
			}
		}
	}
	return out, nil
}

// write makes a module in dir that has the plants, one file per folder and rule, with the
// linter's configuration at its root. Each planted import is an empty module of its own in
// the folder stubs, so that nothing is downloaded and no import cycle comes about.
func write(plants []plant, config, dir, stubs string) error {
	files := map[string][]string{}
	modules := map[string]string{}
	all := map[string]string{}
	for _, p := range plants {
		name := filepath.Join(dir, p.folder, p.rule+".go")
		if !slices.Contains(files[name], p.imports) {
			files[name] = append(files[name], p.imports)
		}
		if isStandard(p.imports) {
			continue
		}
		// A module's path cannot end in a version; its package's can.
		path, version := p.imports, ""
		if versionEnd.MatchString(path) {
			path, version = filepath.Split(path)
			path = strings.TrimSuffix(path, "/")
		}
		if modules[path] == "" {
			modules[path] = filepath.Join(stubs, fmt.Sprint(len(modules)))
		}
		all[filepath.Join(modules[path], "go.mod")] = "module " + path + "\n\ngo 1.24\n"
		all[filepath.Join(modules[path], version, "stub.go")] = "package stub\n"
	}
	gomod := "module planted\n\ngo 1.24\n"
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		gomod += fmt.Sprintf("require %s v0.0.0\nreplace %[1]s => %q\n", path, modules[path])
	}
	all[filepath.Join(dir, "go.mod")] = gomod
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	all[filepath.Join(dir, filepath.Base(config))] = string(text)
	for name, imports := range files {
		all[name] = "package planted\n\nimport (\n\t_ \"" + strings.Join(imports, "\"\n\t_ \"") + "\"\n)\n"
	}
	return writeFiles(all)
}

func writeFiles(files map[string]string) error {
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

var versionEnd = regexp.MustCompile(`/v[0-9]+$`)

var issueText = regexp.MustCompile(`^import '(.*)' is not allowed from list '([^']*)'`)

// refused runs the linter over the module in dir and returns what it refuses. The linter
// keeps its cache in the folder of that name.
func refused(linter, config, dir, cache string) (map[plant]bool, error) {
	run := exec.Command(linter, "run", "-c", filepath.Join(dir, filepath.Base(config)), "--enable-only=depguard", "--issues-exit-code=0", "--allow-parallel-runners",
		"--output.json.path=stdout", "--show-stats=false", "--max-issues-per-linter=0", "--max-same-issues=0", "--uniq-by-line=false", "./...")
	run.Dir = dir
	run.Env = append(os.Environ(), "PWD="+dir, "GOWORK=off", "GOPROXY=off", "GOFLAGS=", "GOLANGCI_LINT_CACHE="+cache)
	var complaint strings.Builder
	run.Stderr = &complaint
	data, err := run.Output()
	if err != nil {
		return nil, fmt.Errorf("running the linter: %w\n%s", err, complaint.String())
	}
	var report struct {
		Issues []struct {
			FromLinter, Text string
			Pos              struct{ Filename string }
		}
	}
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, fmt.Errorf("decoding the linter's report: %w\n%s", err, data)
	}
	out := map[plant]bool{}
	for _, issue := range report.Issues {
		m := issueText.FindStringSubmatch(issue.Text)
		if m == nil {
			return nil, fmt.Errorf("%s reports for %s: %s", issue.FromLinter, issue.Pos.Filename, issue.Text)
		}
		// A file is for one rule; what other rules refuse in it is not looked at.
		if strings.TrimSuffix(filepath.Base(issue.Pos.Filename), ".go") == m[2] {
			out[plant{m[2], filepath.ToSlash(filepath.Dir(issue.Pos.Filename)), m[1]}] = true
		}
	}
	return out, nil
}
