package vm

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/k8sm/k8sm/test/cluster/playground"
)

//go:embed root
var rootFiles embed.FS

const (
	// remoteParts is the folder on the disk that holds the programs and images of nodes.
	remoteParts = "/opt/k8sm"
	// stateDir of the nodes.
	stateDir = "/var/lib/k8sm"
	// cgroupTest and sweepTest hold tests of the node runtime.
	cgroupTest = "/sbin/cgroup.test"
	sweepTest  = "/sbin/sweep.test"
)

// runtimeTests are these programs and the packages that they test.
var runtimeTests = map[string]string{
	cgroupTest: "github.com/k8sm/k8sm/mesos/kubelet/cgroup",
	sweepTest:  "github.com/k8sm/k8sm/mesos/kubelet/sweep",
}

// writeDisk makes a disk image in the folder: a file system with busybox, the kernel's modules,
// the guest and the programs and images of nodes. Parts is the folder that holds the latter on
// this machine. Installed is the folder that install.sh fills.
func writeDisk(folder, installed string) (disk, parts string, err error) {
	root := filepath.Join(folder, "root")
	parts = filepath.Join(root, remoteParts)
	for _, dir := range []string{"bin", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var/lib", remoteParts} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return "", "", fmt.Errorf("laying out disk: %w", err)
		}
	}
	if err := playground.WriteParts(parts); err != nil {
		return "", "", err
	}
	if err := fillCache(parts, filepath.Join(root, stateDir, "cache", "sha256")); err != nil {
		return "", "", err
	}
	if err := writeSystem(root, installed); err != nil {
		return "", "", err
	}
	disk = filepath.Join(folder, "disk")
	// The file is sparse, so unused space costs nothing.
	return disk, parts, run("mke2fs", "-q", "-t", "ext4", "-m", "0", "-E", "root_owner=0:0", "-d", root, disk, "6G")
}

// fillCache fills the agent's cache of artifacts: fetching and checking them takes minutes of
// emulation and shows nothing about cgroups.
func fillCache(parts, cache string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("filling cache: %w", err)
	}
	entries, err := os.ReadDir(parts)
	if err != nil {
		return fmt.Errorf("filling cache: %w", err)
	}
	for _, e := range entries {
		part := filepath.Join(parts, e.Name())
		data, err := os.ReadFile(part)
		if err != nil {
			return fmt.Errorf("filling cache: %w", err)
		}
		if err := os.Link(part, filepath.Join(cache, fmt.Sprintf("%x", sha256.Sum256(data)))); err != nil {
			return fmt.Errorf("filling cache: %w", err)
		}
	}
	return nil
}

func writeSystem(root, installed string) error {
	problems := []error{
		run("cp", "-a", filepath.Join(installed, "busybox"), filepath.Join(root, "bin", "busybox")),
		run("cp", "-a", filepath.Join(installed, "lib", "modules"), filepath.Join(root, "lib")),
		os.Symlink("/bin/busybox", filepath.Join(root, "bin", "sh")),
		os.Symlink("/bin/busybox", filepath.Join(root, "sbin", "init")),
		os.WriteFile(filepath.Join(root, "etc", "hosts"), []byte("127.0.0.1 localhost\n10.0.2.15 agent\n"), 0o644),
		os.WriteFile(filepath.Join(root, "etc", "resolv.conf"), nil, 0o644),
		os.WriteFile(filepath.Join(root, "etc", "passwd"), []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644),
		copyLibraries(filepath.Join(root, remoteParts, "runc"), root),
		copyTool("nft", root),
		goTool("build", "-o", filepath.Join(root, "sbin", "guest"), "github.com/k8sm/k8sm/test/suite/vm/guest"),
	}
	for program, tests := range runtimeTests {
		problems = append(problems, goTool("test", "-c", "-o", filepath.Join(root, program), tests))
	}
	for file, to := range map[string]string{"root/inittab": "etc/inittab", "root/boot": "sbin/boot"} {
		data, err := rootFiles.ReadFile(file)
		problems = append(problems, err, os.WriteFile(filepath.Join(root, to), data, 0o755))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("laying out disk: %w", err)
	}
	return nil
}

// copyTool copies a program of this machine that nodes need of their agent.
func copyTool(name, root string) error {
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		program := filepath.Join(dir, name)
		if _, err := os.Stat(program); err == nil {
			return errors.Join(run("cp", "-L", program, filepath.Join(root, "sbin", name)), copyLibraries(program, root))
		}
	}
	return fmt.Errorf("this machine has no %s, which nodes need of their agent: install the package of it", name)
}

// copyLibraries copies the libraries of this machine that a program is linked with.
func copyLibraries(program, root string) error {
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return fmt.Errorf("asking which libraries %s has: %w", program, err)
	}
	for _, word := range strings.Fields(string(out)) {
		if !strings.HasPrefix(word, "/") {
			continue
		}
		to := filepath.Join(root, word)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), run("cp", "-L", word, to)); err != nil {
			return err
		}
	}
	return nil
}

// goTool runs the go command to build a program that needs no libraries.
func goTool(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return runCommand(cmd)
}

func run(name string, args ...string) error {
	return runCommand(exec.Command(name, args...))
}

func runCommand(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}
