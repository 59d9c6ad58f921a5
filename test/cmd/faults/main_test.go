package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const events = `{"Action":"run","Package":"github.com/k8sm/k8sm/mesos/scheduler","Test":"TestA"}
{"Action":"pass","Package":"github.com/k8sm/k8sm/mesos/scheduler","Test":"TestA/one"}
{"Action":"pass","Package":"github.com/k8sm/k8sm/mesos/scheduler","Test":"TestA"}
{"Action":"fail","Package":"github.com/k8sm/k8sm/mesos/scheduler","Test":"TestB"}
{"Action":"skip","Package":"github.com/k8sm/k8sm/mesos/scheduler","Test":"TestC"}
{"Action":"pass","Package":"github.com/k8sm/k8sm/mesos/scheduler"}
`

const specs = `[{"SuitePath":"/somewhere/test/suite/integration","SpecReports":[
 {"ContainerHierarchyTexts":["A pool"],"LeafNodeText":"grows","LeafNodeType":"It","State":"passed"},
 {"ContainerHierarchyTexts":["A pool"],"LeafNodeText":"panics","LeafNodeType":"It","State":"panicked"},
 {"LeafNodeText":"","LeafNodeType":"BeforeSuite","State":"passed"}]},
 {"SuitePath":"/somewhere/test/suite/vm","SuiteConfig":{"DryRun":true},"SpecReports":[
 {"ContainerHierarchyTexts":["A node"],"LeafNodeText":"holds","LeafNodeType":"It","State":"passed"}]}]`

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		matrix string
		want   []string
	}{
		"every row has tests that passed": {
			matrix: "| # | Fault | Tests |\n|---|---|---|\n| 1 | x | `mesos/scheduler TestA/one` |\n| 2 | y | `mesos/scheduler TestA`, `test/suite/integration \"A pool grows\"` |\n",
		},
		"a row names no test": {
			matrix: "| 1 | x | |\n| 2 | y `z` | `mesos/scheduler TestA` |\n",
			want:   []string{"row 1 names no test"},
		},
		"tests did not pass": {
			matrix: "| 1 | x | `mesos/scheduler TestB` `mesos/scheduler TestC` `mesos/scheduler TestD` |\n| 2 | y | `test/suite/integration \"A pool panics\"` |\n",
			want: []string{
				`row 1: mesos/scheduler "TestB" failed`,
				`row 1: mesos/scheduler "TestC" was skipped`,
				`row 1: mesos/scheduler "TestD" was not run`,
				`row 2: test/suite/integration "A pool panics" failed`,
			},
		},
		"a test that was skipped does for none that passed": {
			matrix: "| 1 | x | `mesos/scheduler TestC` |\n| 2 | y | `mesos/scheduler TestA`, `mesos/scheduler TestC` |\n",
			want:   []string{`row 1: mesos/scheduler "TestC" was skipped`},
		},
		"a test outside make test needs no report, but must exist": {
			matrix: "| 1 | x | `test/suite/vm \"A node holds\"` (`make test-vm`) |\n| 2 | y | `test/suite/e2e \"A node is gone\"` (`make test-node`) |\n",
			want:   []string{`row 2: test/suite/e2e "A node is gone" was not run`},
		},
		"an open row needs no test": {
			matrix: "| 1 | x | **Open**: repair | |\n| 2 | y | `mesos/scheduler TestB` |\n",
			want:   []string{`row 2: mesos/scheduler "TestB" failed`},
		},
		"a row is missing, one is double, one is strange": {
			matrix: "| 1 | x | `mesos/scheduler TestA` |\n| 1 | x | `mesos/scheduler TestA` |\n| 3 | x | `mesos/scheduler TestA` |\n",
			want:   []string{"row 1 is there twice", "row 3 is not one of those expected", "row 2 is missing"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := parse(c.matrix)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, check(rows, reported(t), []string{"1", "2"})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRangesOfRows(t *testing.T) {
	for ranges, want := range map[string][]string{
		"1-3":     {"1", "2", "3"},
		"A1-2,B7": {"A1", "A2", "B7"},
		"C12":     {"C12"},
	} {
		got, err := expand(ranges)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", ranges, diff)
		}
	}
	for _, ranges := range []string{"", "A", "1-A2", "1,,2", "a1"} {
		if ids, err := expand(ranges); err == nil {
			t.Errorf("%q is taken for %v", ranges, ids)
		}
	}
}

func TestParseRefusesWhatIsNoTest(t *testing.T) {
	if _, err := parse("| 1 | x | `TestA` |"); err == nil {
		t.Error("a test without its package is taken")
	}
}

func TestReportsMustBeReadable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(name, []byte("FAIL"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (outcomes{}).add(name); err == nil {
		t.Error("nonsense is taken for a report")
	}
}

func reported(t *testing.T) outcomes {
	t.Helper()
	all := outcomes{}
	for name, data := range map[string]string{"events.json": events, "specs.json": specs} {
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := all.add(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
