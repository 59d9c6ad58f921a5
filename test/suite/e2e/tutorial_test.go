package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// follow does what a section of the tutorial says, command by command.
func (h *house) follow(ctx context.Context, section string) {
	GinkgoHelper()
	commands := h.tutorial(section)
	Expect(commands).NotTo(BeEmpty(), "the tutorial has no section %q with commands", section)
	for _, command := range commands {
		GinkgoWriter.Println("$ " + command)
		cmd := exec.CommandContext(ctx, "bash", "-c", command)
		cmd.Dir = h.Root
		cmd.Env = []string{
			"PATH=" + filepath.Dir(h.KubectlPath()) + ":" + os.Getenv("PATH"),
			"KUBECONFIG=" + h.Kubeconfig, "HOME=" + GinkgoT().TempDir(),
		}
		said, err := cmd.CombinedOutput()
		GinkgoWriter.Println(string(said))
		Expect(err).NotTo(HaveOccurred(), "%s: %s", command, said)
	}
}

// tutorial lists the commands of a section: the lines of its consoles that begin with a
// prompt, with what continues them.
func (h *house) tutorial(section string) (commands []string) {
	GinkgoHelper()
	_, text, _ := strings.Cut(read(filepath.Join(h.Root, "docs", "tutorial.md")), section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "console\n") {
			continue
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(block, "\\\n", ""), "\n") {
			if command, is := strings.CutPrefix(line, "$ "); is {
				commands = append(commands, command)
			}
		}
	}
	return commands
}
