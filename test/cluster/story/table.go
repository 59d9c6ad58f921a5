package story

import (
	"fmt"
	"strings"
	"time"
)

// Outcome is the result of a step. Skipped steps were not run because an earlier one failed.
type Outcome struct {
	Step     string
	What     string
	Duration time.Duration
	Err      error
	Skipped  bool
}

// Table renders the outcomes, with the time that each step took.
func Table(outcomes []Outcome) string {
	width := 0
	var total time.Duration
	for _, o := range outcomes {
		width = max(width, len(o.Step))
		total += o.Duration
	}
	var out strings.Builder
	row := func(mark, step, took, what string) {
		fmt.Fprintf(&out, " %-4s  %-*s  %7s  %s\n", mark, width, step, took, what)
	}
	row("", "Step", "Took", "What happened")
	for _, o := range outcomes {
		switch {
		case o.Skipped:
			row("-", o.Step, "", "not reached")
		case o.Err != nil:
			row("FAIL", o.Step, seconds(o.Duration), firstLine(o.Err.Error()))
		default:
			row("ok", o.Step, seconds(o.Duration), o.What)
		}
	}
	row("", "", seconds(total), "")
	return out.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
