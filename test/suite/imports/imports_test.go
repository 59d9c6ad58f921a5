package imports

import (
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var linterFlag = flag.String("linter", "", "the path of golangci-lint")

// repository is the root of the checkout, and configFile the linter's configuration in it.
const (
	repository = "../../.."
	configFile = repository + "/.golangci.yml"
)

// forbidden has an import for each rule that the rule must refuse. A rule that is not here,
// or that no longer refuses its import, fails the test.
var forbidden = map[string]struct{ folder, imports string }{
	"mesos-knows-no-kubernetes":            {"mesos/session", "k8s.io/api/core/v1"},
	"executor-knows-no-kubernetes":         {"cmd/executor", module + "/controllers/drain"},
	"controllers-never-touch-the-wire":     {"controllers/mesosframework", "github.com/mesos/mesos-go/api/v1/lib"},
	"operator-and-executor-share-nodeapi":  {"controllers/mesosnode", module + "/mesos/kubelet"},
	"mesosframework-imports-no-controller": {"controllers/mesosframework", module + "/controllers/mesosnode"},
	"mesosnodepool-imports-no-controller":  {"controllers/mesosnodepool", module + "/controllers/mesosnode"},
	"mesosnode-imports-no-controller":      {"controllers/mesosnode", module + "/controllers/mesosnodepool"},
	"autoscaler-imports-no-controller":     {"controllers/autoscaler", module + "/controllers/mesosnodepool"},
	"identity-imports-no-controller":       {"controllers/identity", module + "/controllers/mesosframework"},
	"nodenames-imports-no-controller":      {"controllers/nodenames", module + "/controllers/mesosnode"},
	"disruption-imports-no-controller":     {"controllers/disruption", module + "/controllers/mesosnodepool"},
	"repair-imports-no-controller":         {"controllers/repair", module + "/controllers/disruption"},
	"libraries-import-no-controller":       {"controllers/drain", module + "/controllers/autoscaler/decision"},
	"cmd-imports-no-controller":            {"cmd/operator", module + "/controllers/mesosframework"},
	"deciding-is-pure":                     {"mesos/scheduler", "os/exec"},
	"scheduling-is-pure":                   {"controllers/autoscaler/scheduling", "sigs.k8s.io/controller-runtime/pkg/client"},
	"placement-imports-no-scheduler":       {"mesos/placement", module + "/mesos/scheduler"},
	"scheduler-imports-no-session":         {"mesos/scheduler", module + "/mesos/session"},
	"nodeapi-stands-alone":                 {"mesos/nodeapi", module + "/mesos/kubelet"},
	"api-stands-alone":                     {"api/v1alpha1", module + "/controllers"},
	"stand-ins-are-for-tests":              {"mesos/session", module + "/mesos/mesostest"},
	"product-knows-no-suite":               {"controllers", module + "/test/cluster/playground"},
	"clusters-know-no-suite":               {"test/cluster/fixture", module + "/test/suite/e2e"},
}

// TestForbiddenImportsAreRefused plants the imports of the table above and all that the
// configuration denies, and runs the linter once over all of them.
func TestForbiddenImportsAreRefused(t *testing.T) {
	if *linterFlag == "" {
		t.Skip("run by: make verify-imports")
	}
	linter, err := filepath.Abs(*linterFlag)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rules := mustRead(t)
	var plants []plant
	for name, r := range rules {
		some, err := r.plants(name)
		if err != nil {
			t.Fatal(err)
		}
		plants = append(plants, some...)
	}
	for name, f := range forbidden {
		plants = append(plants, plant{name, f.folder, f.imports}, plant{name, f.folder + "/planted", f.imports})
	}
	module := filepath.Join(dir, "module")
	if err := write(plants, configFile, module, filepath.Join(dir, "stubs")); err != nil {
		t.Fatal(err)
	}
	got, err := refused(linter, configFile, module, filepath.Join(dir, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plants {
		want := !rules[p.rule].excludes(p.folder)
		if got[p] != want {
			t.Errorf("%s: refused: %t, want %t", p, got[p], want)
		}
	}
	t.Logf("%d rules refuse %d imports.", len(rules), len(got))
}

func TestEachRuleHasAForbiddenImport(t *testing.T) {
	rules := mustRead(t)
	for name := range rules {
		if _, ok := forbidden[name]; !ok {
			t.Errorf("no import is planted for the rule %s", name)
		}
	}
	for name := range forbidden {
		if _, ok := rules[name]; !ok {
			t.Errorf(".golangci.yml has no rule %s", name)
		}
	}
}

// TestRulesNameWhatExists finds rules that a moved package has left without an object.
func TestRulesNameWhatExists(t *testing.T) {
	for name, r := range mustRead(t) {
		folders, err := r.folders()
		if err != nil {
			t.Errorf("rule %s: %v", name, err)
		}
		for _, d := range r.Deny {
			if own, ok := strings.CutPrefix(strings.TrimRight(d.Pkg, "$/"), module+"/"); ok {
				folders = append(folders, own)
			}
		}
		for _, folder := range append(folders, r.excluded()...) {
			if info, err := os.Stat(filepath.Join(repository, folder)); err != nil || !info.IsDir() {
				t.Errorf("rule %s: there is no folder %s", name, folder)
			}
		}
	}
}

// TestControllersHaveRules finds a controller that was added without a rule of its own:
// the packages that the package controllers wires and that have a Reconcile.
func TestControllersHaveRules(t *testing.T) {
	rules := mustRead(t)
	for _, folder := range controllerFolders(t) {
		if _, ok := rules[folder+"-imports-no-controller"]; !ok {
			t.Errorf("the controller controllers/%s has no rule %[1]s-imports-no-controller", folder)
		}
		if !rules["libraries-import-no-controller"].excludes("controllers/" + folder) {
			t.Errorf("the controller controllers/%s is taken for a library", folder)
		}
	}
}

// controllerFolders returns the folders right below controllers/ that declare a Reconcile.
func controllerFolders(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(repository + "/controllers/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("the controllers are not found: %v", err)
	}
	found := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), ") Reconcile(ctx context.Context, ") && !strings.HasSuffix(file, "_test.go") {
			found[filepath.Base(filepath.Dir(file))] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// TestProgramsLinkWhatTheyNeed checks what depguard cannot see: packages that are imported
// by way of others.
func TestProgramsLinkWhatTheyNeed(t *testing.T) {
	own := func(folders ...string) (out []string) {
		for _, f := range folders {
			out = append(out, module+"/"+f)
		}
		return out
	}
	standins := own("mesos/mesostest", "mesos/zookeepertest", "mesos/kubelet/cri/critest", "mesos/kubelet/kubelettest", "mesos/kubelet/cgroup/cgrouptest", "test")
	for program, without := range map[string][]string{
		"operator": append(own("mesos/kubelet", "mesos/executor", "cmd/executor"), standins...),
		"executor": append(own("api", "controllers", "mesos/scheduler", "mesos/session", "mesos/placement"), append(standins, "k8s.io/", "sigs.k8s.io/controller-runtime")...),
	} {
		t.Run(program, func(t *testing.T) {
			list := exec.Command("go", "list", "-deps", "./cmd/"+program)
			list.Dir = repository
			out, err := list.CombinedOutput()
			if err != nil {
				t.Fatalf("listing what it links: %v\n%s", err, out)
			}
			for _, pkg := range strings.Fields(string(out)) {
				for _, w := range without {
					if strings.HasPrefix(pkg+"/", strings.TrimSuffix(w, "/")+"/") {
						t.Errorf("it links %s", pkg)
					}
				}
			}
		})
	}
}

func mustRead(t *testing.T) map[string]rule {
	t.Helper()
	rules, err := readRules(configFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) == 0 {
		t.Fatal("the linter's configuration has no rules for imports")
	}
	return rules
}
