package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// row of the matrix.
type row struct {
	number int
	tests  []test
}

// test as the matrix names it: `package Name`, or `package "text of a spec"`.
type test struct {
	// folder is the package's path in the repository.
	folder string
	// name is a Go test's name with its subtests, or a spec's whole text.
	name string
}

func (t test) String() string { return fmt.Sprintf("%s %q", t.folder, t.name) }

var (
	rowLine  = regexp.MustCompile(`^\| *([0-9]+) *\|`)
	testCode = regexp.MustCompile("`([^`]*)`")
)

// parse reads the rows of the matrix: lines of a table whose first cell is a number and
// whose last cell names tests as code.
func parse(text string) ([]row, error) {
	var rows []row
	for _, line := range strings.Split(text, "\n") {
		m := rowLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		number, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, fmt.Errorf("row %q: %w", m[1], err)
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|")
		r := row{number: number}
		for _, code := range testCode.FindAllStringSubmatch(cells[len(cells)-1], -1) {
			t, err := parseTest(code[1])
			if err != nil {
				return nil, fmt.Errorf("row %d: %w", number, err)
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
	return test{folder, name}, nil
}

// check says what is wrong: rows that are missing, double or without a test that passed,
// and tests that failed or were not run. A test that this machine has not the means for
// may be skipped, but not alone.
func check(rows []row, all outcomes, most int) []string {
	var problems []string
	seen := map[int]bool{}
	for _, r := range rows {
		switch {
		case seen[r.number]:
			problems = append(problems, fmt.Sprintf("row %d is there twice", r.number))
		case r.number < 1 || r.number > most:
			problems = append(problems, fmt.Sprintf("row %d is none of 1 to %d", r.number, most))
		case len(r.tests) == 0:
			problems = append(problems, fmt.Sprintf("row %d names no test", r.number))
		}
		seen[r.number] = true
		problems = append(problems, r.problems(all)...)
	}
	for n := 1; n <= most; n++ {
		if !seen[n] {
			problems = append(problems, fmt.Sprintf("row %d is missing", n))
		}
	}
	return problems
}

// problems with the tests that a row names.
func (r row) problems(all outcomes) []string {
	shown := slices.ContainsFunc(r.tests, func(t test) bool { return all[t] == passed })
	var out []string
	for _, t := range r.tests {
		if o := all[t]; o == failed || o == notRun || (o == skipped && !shown) {
			out = append(out, fmt.Sprintf("row %d: %s %s", r.number, t, o))
		}
	}
	return out
}
