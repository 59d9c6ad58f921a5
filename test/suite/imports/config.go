package imports

import (
	"fmt"
	"os"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

// module is the path that the imports of this repository begin with.
const module = "github.com/k8sm/k8sm"

// rule is one list of depguard.
type rule struct {
	// Files are patterns below the root of the repository. One that begins with ! excludes.
	Files []string `json:"files"`
	Deny  []struct {
		// Pkg denies all packages that begin with it, or with a $ at its end that package alone.
		Pkg  string `json:"pkg"`
		Desc string `json:"desc"`
	} `json:"deny"`
}

// readRules returns depguard's lists by name.
func readRules(file string) (map[string]rule, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]rule `json:"rules"`
				} `json:"depguard"`
			} `json:"settings"`
		} `json:"linters"`
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", file, err)
	}
	return config.Linters.Settings.Depguard.Rules, nil
}

// root is the linter's name for the folder of its configuration.
const root = "${config-path}/"

// folders returns the folders that the rule holds for. It refuses a pattern that does not
// cover the packages below its folder.
func (r rule) folders() ([]string, error) {
	var out []string
	for _, pattern := range r.Files {
		if strings.HasPrefix(pattern, "!") {
			continue
		}
		folder, ok := strings.CutPrefix(pattern, root)
		if ok {
			folder, ok = strings.CutSuffix(folder, "/**")
		}
		if !ok || strings.ContainsAny(folder, "*?[{") {
			return nil, fmt.Errorf("the pattern %q is not of the form %sFOLDER/**", pattern, root)
		}
		out = append(out, folder)
	}
	return out, nil
}

// excluded returns the folders that the rule leaves out, with all below them.
func (r rule) excluded() []string {
	var out []string
	for _, pattern := range r.Files {
		if pattern, ok := strings.CutPrefix(pattern, "!"+root); ok {
			out = append(out, path.Dir(pattern))
		}
	}
	return out
}

// excludes reports whether the rule leaves out the Go files of a folder.
func (r rule) excludes(folder string) bool {
	for _, pattern := range r.Files {
		pattern, ok := strings.CutPrefix(pattern, "!"+root)
		if !ok {
			continue
		}
		if above, deep := strings.CutSuffix(pattern, "/**"); deep && strings.HasPrefix(folder+"/", above+"/") {
			return true
		}
		if above, flat := strings.CutSuffix(pattern, "/*.go"); flat && folder == above {
			return true
		}
	}
	return false
}

// denied returns import paths that the rule refuses: for each entry the package itself and,
// where the entry covers them, one below it.
func (r rule) denied() []string {
	var out []string
	for _, d := range r.Deny {
		switch pkg, exact := strings.CutSuffix(d.Pkg, "$"); {
		case exact:
			out = append(out, pkg)
		case strings.HasSuffix(pkg, "/"):
			out = append(out, pkg+"planted")
		case isStandard(pkg):
			out = append(out, pkg)
		default:
			out = append(out, pkg, pkg+"/planted")
		}
	}
	return out
}

// isStandard reports whether a package is one of Go's own.
func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".")
}
