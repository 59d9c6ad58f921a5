// Command faults checks docs/faults.md against the reports of the last tests: every row
// of the fault matrix names at least one test that passed, and none that failed or does not
// exist. It knows the form of the matrix and of the reports, and nothing of what they
// speak of. `make faults` calls it, at the end of `make test`.
package main

import (
	"fmt"
	"os"
)

// rowsMost is how many rows the matrix has: the faults of the Mesos protocol, numbered
// from 1.
const rowsMost = 44

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: faults MATRIX REPORT...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run(matrix string, reports []string) error {
	text, err := os.ReadFile(matrix)
	if err != nil {
		return fmt.Errorf("reading the matrix: %w", err)
	}
	rows, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("reading %s: %w", matrix, err)
	}
	all := outcomes{}
	for _, name := range reports {
		if err := all.add(name); err != nil {
			return fmt.Errorf("reading report %s: %w", name, err)
		}
	}
	problems := check(rows, all, rowsMost)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d problems in %s", len(problems), matrix)
	}
	tests := map[test]bool{}
	for _, r := range rows {
		for _, t := range r.tests {
			tests[t] = true
		}
	}
	_, err = fmt.Fprintf(os.Stdout, "Fault matrix: %d rows, each with tests that passed, %d in all.\n", len(rows), len(tests))
	return err
}
