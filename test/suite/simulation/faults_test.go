package simulation

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	withinFlag = flag.Uint64("within", 1000, "the number of seeds within which a planted fault must be caught")
	plantFlag  = flag.Bool("plant", false, "plant each fault, and check that it is caught")
)

// TestFaultsFit checks that each planted fault still fits its source file.
func TestFaultsFit(t *testing.T) {
	for _, f := range plantedFaults {
		if _, err := f.plantedText(); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

// TestPlantedFaultsAreCaught builds a test binary with each planted fault and runs seeds until one
// fails.
func TestPlantedFaultsAreCaught(t *testing.T) {
	if !*plantFlag {
		t.Skip("run by: make simulate-faults")
	}
	for _, f := range plantedFaults {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			binary := f.build(t)
			var caught *verdict
			shard{from: 1, seeds: *withinFlag, stride: 1, stop: f.isShownBy}.run(t, binary, func(v verdict) {
				if f.isShownBy(v) {
					caught = &v
				}
			})
			if caught == nil {
				t.Fatalf("not caught within %d seeds", *withinFlag)
			}
			line, err := json.Marshal(map[string]any{"fault": f.name, "seeds": caught.Seed, "by": caught.Failure})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(string(line))
		})
	}
}

// isShownBy reports whether a seed failed in the way that the fault causes.
func (f plantedFault) isShownBy(v verdict) bool {
	return v.Failure != "" && regexp.MustCompile(f.by).MatchString(v.Failure)
}

// root returns the root of the repository.
func root() (string, error) { return filepath.Abs("../../..") }

// plantedText returns the source file with the fault.
func (f plantedFault) plantedText() (string, error) {
	dir, err := root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, f.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), f.old); n != 1 {
		return "", fmt.Errorf("%s has the text that is replaced %d times, not once:\n%s", f.file, n, f.old)
	}
	return strings.Replace(string(text), f.old, f.new, 1), nil
}

// build builds a test binary with the fault as an overlay: the sources stay as they are.
func (f plantedFault) build(t *testing.T) string {
	t.Helper()
	text, err := f.plantedText()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	file, overlay, binary := filepath.Join(tmp, "fault.go"), filepath.Join(tmp, "overlay.json"), filepath.Join(tmp, "simulation.test")
	layers, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(dir, f.file): file}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{file: []byte(text), overlay: layers} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "test", "-c", "-overlay="+overlay, "-ldflags=-s -w", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return binary
}
