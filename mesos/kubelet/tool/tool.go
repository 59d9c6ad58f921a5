// Package tool finds and runs the system's programs that a node needs on its agent, such as
// iptables and mount.
//
// It refuses to know what they are run for. The environment that a Mesos agent passes to its
// executors is not trusted for it: PATH may lack the folders of system programs, and
// LD_LIBRARY_PATH may lead them to libraries that are not the system's. Packages config,
// network, netfilter and noderuntime call it.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// SystemFolders is where programs are looked for after the folders of PATH. Tests replace it.
var SystemFolders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// Within bounds each run of a tool.
const Within = 10 * time.Second

// Path returns the inherited value of PATH with the system's folders that it lacks at its
// end. Elements that are no absolute paths are left out: they mean the current folder.
func Path(inherited string) string {
	var folders []string
	for _, folder := range slices.Concat(filepath.SplitList(inherited), SystemFolders) {
		if filepath.IsAbs(folder) && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return strings.Join(folders, string(filepath.ListSeparator))
}

// Find returns the path of a program, or "" if the agent does not have it.
func Find(name string) string {
	for _, folder := range filepath.SplitList(Path(os.Getenv("PATH"))) {
		file := filepath.Join(folder, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode().Perm()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// Has reports whether the agent has a program.
func Has(name string) bool { return Find(name) != "" }

// Require fails with the names of all programs that are missing. Alternatives are separated
// by "|": one of them is enough.
func Require(names ...string) error {
	var missing []string
	for _, name := range names {
		if !slices.ContainsFunc(strings.Split(name, "|"), Has) {
			missing = append(missing, strings.ReplaceAll(name, "|", " or "))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the agent lacks what a node needs: no program %s is in %s; install it, or add its folder to the agent's --executor_environment_variables",
		strings.Join(missing, ", and none "), Path(os.Getenv("PATH")))
}

// ErrMissing is wrapped by the errors of Run about a program that the agent does not have.
var ErrMissing = errors.New("the agent does not have this program")

// Run runs a program with the input, and returns its output. The error has what the program
// wrote to its standard error.
func Run(ctx context.Context, input, name string, args ...string) (string, error) {
	path := Find(name)
	if path == "" {
		return "", fmt.Errorf("running %s: %w", name, ErrMissing)
	}
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LANG=C", "PATH=" + Path(os.Getenv("PATH"))}
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running %s: %w: %s", name, err, firstLine(stderr.String()))
	}
	return stdout.String(), nil
}

// firstLine returns the first line of a text that has anything in it.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
