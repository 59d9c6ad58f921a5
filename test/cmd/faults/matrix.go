package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// row of a matrix.
type row struct {
	// id is a number, or a letter and a number: 12, B7.
	id    string
	tests []test
	// open is set where the row says that something of it is left to do.
	open bool
}

// test as a matrix names it: `package Name`, or `package "text of a spec"`.
type test struct {
	// folder is the package's path in the repository.
	folder string
	// name is a Go test's name with its subtests, or a spec's whole text.
	name string
	// heavy is set where only a target that is not part of make test runs it.
	heavy bool
}

func (t test) String() string { return fmt.Sprintf("%s %q", t.folder, t.name) }

// key under which reports have the test.
func (t test) key() test { return test{folder: t.folder, name: t.name} }

var (
	rowLine  = regexp.MustCompile(`^\| *([A-Z]?[0-9]+) *\|`)
	testCode = regexp.MustCompile("`([^`]*)`")
	idRange  = regexp.MustCompile(`^([A-Z]?)([0-9]+)(?:-([0-9]+))?$`)
)

// parse reads the rows of a matrix: lines of a table whose first cell is an ID and whose
// last cell names tests as code. A test that is followed by the name of a target
// (`make test-vm`) is run by that target alone.
func parse(text string) ([]row, error) {
	var rows []row
	for _, line := range strings.Split(text, "\n") {
		m := rowLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|")
		r := row{id: m[1], open: strings.Contains(line, "**Open**")}
		for _, code := range testCode.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			if strings.HasPrefix(code[1], "make ") && len(r.tests) > 0 {
				r.tests[len(r.tests)-1].heavy = true
				continue
			}
			t, err := parseTest(code[1])
			if err != nil {
				return nil, fmt.Errorf("row %s: %w", r.id, err)
			}
			r.tests = append(r.tests, t)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func parseTest(code string) (test, error) {
	folder, name, ok := strings.Cut(code, " ")
	if spec, err := strconv.Unquote(name); err == nil {
		name = spec
	}
	if !ok || folder == "" || name == "" {
		return test{}, fmt.Errorf("%q is not a package and a test", code)
	}
	return test{folder: folder, name: name}, nil
}

// expand returns the IDs of a list of ranges: A1-3,B7 is A1, A2, A3 and B7.
func expand(ranges string) ([]string, error) {
	var ids []string
	for _, part := range strings.Split(ranges, ",") {
		m := idRange.FindStringSubmatch(part)
		if m == nil {
			return nil, fmt.Errorf("%q is not an ID or a range of IDs", part)
		}
		first, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, fmt.Errorf("range %q: %w", part, err)
		}
		last := first
		if m[3] != "" {
			if last, err = strconv.Atoi(m[3]); err != nil {
				return nil, fmt.Errorf("range %q: %w", part, err)
			}
		}
		for n := first; n <= last; n++ {
			ids = append(ids, m[1]+strconv.Itoa(n))
		}
	}
	return ids, nil
}

// check returns what is wrong: rows that are missing, double or without a test that passed,
// and tests that failed or were not run. A test that this machine has not the means for
// may be skipped, but not alone. A row that is open needs no test.
func check(rows []row, all outcomes, ids []string) []string {
	var problems []string
	seen := map[string]bool{}
	for _, r := range rows {
		switch {
		case seen[r.id]:
			problems = append(problems, fmt.Sprintf("row %s is there twice", r.id))
		case !slices.Contains(ids, r.id):
			problems = append(problems, fmt.Sprintf("row %s is not one of those expected", r.id))
		case len(r.tests) == 0 && !r.open:
			problems = append(problems, fmt.Sprintf("row %s names no test", r.id))
		}
		seen[r.id] = true
		problems = append(problems, r.problems(all)...)
	}
	for _, id := range ids {
		if !seen[id] {
			problems = append(problems, fmt.Sprintf("row %s is missing", id))
		}
	}
	return problems
}

// problems with the tests that a row names.
func (r row) problems(all outcomes) []string {
	shown := slices.ContainsFunc(r.tests, func(t test) bool { return all[t.key()] == passed })
	var out []string
	for _, t := range r.tests {
		o := all[t.key()]
		if o == failed || o == notRun || (o == skipped && !shown && !t.heavy) {
			out = append(out, fmt.Sprintf("row %s: %s %s", r.id, t, o))
		}
	}
	return out
}
