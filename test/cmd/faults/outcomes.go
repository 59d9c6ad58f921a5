package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// module is the path that packages of this repository begin with.
const module = "github.com/k8sm/k8sm/"

// outcome of a test.
type outcome uint8

const (
	notRun outcome = iota
	skipped
	passed
	failed
)

func (o outcome) String() string {
	return [...]string{"was not run", "was skipped", "passed", "failed"}[o]
}

// outcomes of all tests in the reports.
type outcomes map[test]outcome

// add reads a report: what `go test -json` writes, or ginkgo's JSON report.
func (all outcomes) add(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return all.addSpecs(data)
	}
	return all.addEvents(data)
}

// note keeps the worst outcome that reports have of a test.
func (all outcomes) note(t test, o outcome) { all[t] = max(all[t], o) }

func (all outcomes) addEvents(data []byte) error {
	actions := map[string]outcome{"pass": passed, "fail": failed, "skip": skipped}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var event struct{ Action, Package, Test string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return fmt.Errorf("decoding an event: %w", err)
		}
		if o, ok := actions[event.Action]; ok && event.Test != "" {
			all.note(test{folder: strings.TrimPrefix(event.Package, module), name: event.Test}, o)
		}
	}
	return lines.Err()
}

// addSpecs reads ginkgo's report. A suite's path is of the machine that ran it; what
// follows test/ is ours.
func (all outcomes) addSpecs(data []byte) error {
	var suites []struct {
		SuitePath   string
		SuiteConfig struct{ DryRun bool }
		SpecReports []struct {
			ContainerHierarchyTexts []string
			LeafNodeText            string
			LeafNodeType            string
			State                   string
		}
	}
	if err := json.Unmarshal(data, &suites); err != nil {
		return fmt.Errorf("decoding ginkgo's report: %w", err)
	}
	states := map[string]outcome{"passed": passed, "skipped": skipped, "pending": skipped}
	for _, suite := range suites {
		folder := suite.SuitePath
		if i := strings.LastIndex(folder, "/test/"); i >= 0 {
			folder = folder[i+1:]
		}
		for _, spec := range suite.SpecReports {
			if spec.LeafNodeType != "It" {
				continue
			}
			o, ok := states[spec.State]
			if !ok {
				o = failed
			}
			if suite.SuiteConfig.DryRun {
				o = skipped // The spec exists, and nothing was run.
			}
			text := strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " ")
			all.note(test{folder: folder, name: text}, o)
		}
	}
	return nil
}
