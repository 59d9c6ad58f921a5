package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Verdict is the outcome of a check.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "PASS"
	Fail Verdict = "FAIL"
	Skip Verdict = "SKIP"
	// Warn: k8sm works on the cluster, which is not safe.
	Warn Verdict = "WARN"
)

// Result is the result of one check.
type Result struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// Relies is the property that k8sm relies on, as a sentence.
	Relies string `json:"relies"`
	// Rows are the rows of docs/faults.md that depend on the property.
	Rows []int `json:"rows,omitempty"`
	// Seen is what the check observed, or the reason why it failed or was skipped.
	Seen string        `json:"seen"`
	Took time.Duration `json:"took"`
}

// Report is the result of a run.
type Report struct {
	// Master is the address of the master that led when the run began, Version its version.
	Master  string   `json:"master"`
	Version string   `json:"version"`
	Results []Result `json:"results"`
	// Left describes what could not be cleaned up.
	Left []string `json:"left,omitempty"`
}

// Count returns the number of results with a verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, res := range r.Results {
		if res.Verdict == v {
			n++
		}
	}
	return n
}

// OK reports whether no check failed and everything was cleaned up.
func (r *Report) OK() bool { return r.Count(Fail) == 0 && len(r.Left) == 0 }

// WriteResult writes one result as text.
func WriteResult(w io.Writer, r Result) error {
	_, err := fmt.Fprintf(w, "%s  %-34s %6.1fs  %s\n", r.Verdict, r.Name, r.Took.Seconds(), r.Relies)
	if err == nil && (r.Verdict != Pass || r.Seen != "") {
		_, err = fmt.Fprintf(w, "      %34s          → %s\n", "", r.Seen)
	}
	return err
}

// WriteSummary writes the last lines of a report as text.
func (r *Report) WriteSummary(w io.Writer) error {
	for _, left := range r.Left {
		if _, err := fmt.Fprintf(w, "LEFT  %s\n", left); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s, Mesos %s: %d passed, %d failed, %d skipped, %d warnings.\n",
		r.Master, r.Version, r.Count(Pass), r.Count(Fail), r.Count(Skip), r.Count(Warn))
	return err
}

// WriteJSON writes the whole report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(r)
}
