package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Environment variables by which TestAtRest is configured.
const (
	restAgentsVariable = "BENCHMARK_AT_REST_AGENTS"
	restFigureVariable = "BENCHMARK_AT_REST_FIGURE"
)

// measureRest runs TestAtRest, since virtual time is available in tests only.
func measureRest(ctx context.Context, _ options) ([]figure, error) {
	dir, err := os.MkdirTemp("", "k8sm-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "figure.json")
	test := exec.CommandContext(ctx, "go", "test", "./benchmark", "-run=^TestAtRest$", "-count=1")
	test.Env = append(os.Environ(), restAgentsVariable+"=10000", restFigureVariable+"="+path)
	output, testErr := test.CombinedOutput()
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", testErr, output)
	}
	var f figure
	if err := json.Unmarshal(content, &f); err != nil {
		return nil, fmt.Errorf("reading the figure: %w", err)
	}
	return []figure{f}, nil
}
