// Command faults checks a matrix such as docs/faults.md against the reports of the last
// tests: every row names at least one test that passed, and none that failed or does not
// exist. It knows the form of such a matrix and of the reports, and nothing of their
// subject. `make faults` calls it, at the end of `make test`.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	rows := flag.String("rows", "", "the IDs of the rows that the matrix has: 1-44, or A1-15,B1-9")
	flag.Parse()
	if flag.NArg() < 2 || *rows == "" {
		fmt.Fprintln(os.Stderr, "usage: faults -rows=RANGES MATRIX REPORT...")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *rows, flag.Args()[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func run(matrix, ranges string, reports []string) error {
	ids, err := expand(ranges)
	if err != nil {
		return fmt.Errorf("reading -rows: %w", err)
	}
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
	problems := check(rows, all, ids)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d problems in %s", len(problems), matrix)
	}
	return summarize(matrix, rows, all)
}

// summarize prints how many rows and tests a matrix without problems has.
func summarize(matrix string, rows []row, all outcomes) error {
	tests, unseen, open := map[test]bool{}, map[test]bool{}, 0
	for _, r := range rows {
		if r.open {
			open++
		}
		for _, t := range r.tests {
			tests[t.key()] = true
			if t.heavy && all[t.key()] != passed {
				unseen[t.key()] = true
			}
		}
	}
	text := fmt.Sprintf("%s: %d rows, each with tests that passed, %d in all", matrix, len(rows), len(tests))
	if len(unseen) > 0 {
		text += fmt.Sprintf("; %d belong to targets outside make test, and have no report here", len(unseen))
	}
	if open > 0 {
		text += fmt.Sprintf("; %d rows have something open", open)
	}
	_, err := fmt.Fprintln(os.Stdout, text+".")
	return err
}
