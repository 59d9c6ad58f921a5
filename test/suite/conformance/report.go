package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Verdict of a check.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "PASS"
	Fail Verdict = "FAIL"
	Skip Verdict = "SKIP"
)

// Result of one check.
type Result struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// Relies is the sentence that was checked.
	Relies string `json:"relies"`
	// Rows of docs/faults.md that rest on it.
	Rows []int `json:"rows,omitempty"`
	// Seen is what the cluster did; of a check that was skipped, why.
	Seen string        `json:"seen"`
	Took time.Duration `json:"took"`
}

// Report of a run.
type Report struct {
	// Master that led when the run began, and its version.
	Master  string   `json:"master"`
	Version string   `json:"version"`
	Results []Result `json:"results"`
	// Left is what could not be cleaned up; empty when nothing was left.
	Left []string `json:"left,omitempty"`
}

// Count of the results of one verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, res := range r.Results {
		if res.Verdict == v {
			n++
		}
	}
	return n
}

// OK says that nothing failed and that nothing was left behind.
func (r *Report) OK() bool { return r.Count(Fail) == 0 && len(r.Left) == 0 }

// WriteResult writes one result for people.
func WriteResult(w io.Writer, r Result) error {
	_, err := fmt.Fprintf(w, "%s  %-34s %6.1fs  %s\n", r.Verdict, r.Name, r.Took.Seconds(), r.Relies)
	if err == nil && (r.Verdict != Pass || r.Seen != "") {
		_, err = fmt.Fprintf(w, "      %34s          → %s\n", "", r.Seen)
	}
	return err
}

// WriteSummary writes the end of a report for people.
func (r *Report) WriteSummary(w io.Writer) error {
	for _, left := range r.Left {
		if _, err := fmt.Fprintf(w, "LEFT  %s\n", left); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s, Mesos %s: %d passed, %d failed, %d skipped.\n",
		r.Master, r.Version, r.Count(Pass), r.Count(Fail), r.Count(Skip))
	return err
}

// WriteJSON writes the whole report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(r)
}
