// Command faults checks docs/faults.md against the reports of the last tests: every row
// of the fault matrix names at least one test that passed, and none that failed or does not
// exist. It does the same for the cases of docs/autoscaling.md. It knows the form of such a
// matrix and of the reports, and nothing of what they speak of. `make faults` calls it, at
// the end of `make test`.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	rows := flag.Int("rows", 0, "how many rows the matrix has, numbered from 1")
	flag.Parse()
	if flag.NArg() < 2 || *rows < 1 {
		fmt.Fprintln(os.Stderr, "usage: faults -rows=NUMBER MATRIX REPORT...")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *rows, flag.Args()[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run(matrix string, most int, reports []string) error {
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
	problems := check(rows, all, most)
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
	_, err = fmt.Fprintf(os.Stdout, "%s: %d rows, each with tests that passed, %d in all.\n", matrix, len(rows), len(tests))
	return err
}
