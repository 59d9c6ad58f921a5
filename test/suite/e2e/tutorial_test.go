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

// runTutorialSection runs the commands of a section of the tutorial.
func (c *cluster) runTutorialSection(ctx context.Context, section string) {
	GinkgoHelper()
	commands := c.tutorialCommands(section)
	Expect(commands).NotTo(BeEmpty(), "the tutorial has no section %q with commands", section)
	for _, command := range commands {
		GinkgoWriter.Println("$ " + command)
		cmd := exec.CommandContext(ctx, "bash", "-c", command)
		cmd.Dir = c.Root
		cmd.Env = []string{
			"PATH=" + filepath.Dir(c.KubectlPath()) + ":" + os.Getenv("PATH"),
			"KUBECONFIG=" + c.Kubeconfig, "HOME=" + GinkgoT().TempDir(),
		}
		output, err := cmd.CombinedOutput()
		GinkgoWriter.Println(string(output))
		Expect(err).NotTo(HaveOccurred(), "%s: %s", command, output)
	}
}

// tutorialCommands returns the commands of a section: the lines of its console blocks that begin
// with a prompt, with their continuation lines.
func (c *cluster) tutorialCommands(section string) (commands []string) {
	GinkgoHelper()
	_, text, _ := strings.Cut(read(filepath.Join(c.Root, "docs", "tutorial.md")), section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "console\n") {
			continue
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(block, "\\\n", ""), "\n") {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				commands = append(commands, command)
			}
		}
	}
	return commands
}
