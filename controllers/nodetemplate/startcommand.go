package nodetemplate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// setPath adds the system's folders to PATH, which the agent's
// --executor_environment_variables may have replaced.
const setPath = "PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; "

// startCommand returns the shell command that starts the executor, and the URIs that the Mesos
// fetcher puts into the sandbox before. The command runs nothing that does not have the
// requested digest. If there are architectures, the fetcher fetches the executor for each of
// them, because it cannot choose, and the command starts the one for its machine.
//
// The fetcher's cache is not used. Mesos looks for files in it by URI alone, so that it would
// keep a file for ever that was replaced behind the same URI.
func startCommand(runtime Resolved) (command string, uris []scheduler.URI, err error) {
	architectures := runtime.Architectures()
	if len(architectures) == 0 {
		executor, err := executorOf(runtime, "")
		if err != nil {
			return "", nil, err
		}
		file := executor.URI[strings.LastIndexByte(executor.URI, '/')+1:] // as the fetcher names it
		if slices.Contains([]string{"", ".", ".."}, file) {
			return "", nil, errors.New("the executor's uri names no file")
		}
		quoted := quote("./" + file)
		return fmt.Sprintf("%secho %s | sha256sum -c - >&2 && chmod 0755 %s && exec %s", setPath, quote(executor.SHA256+"  ./"+file), quoted, quoted),
			[]scheduler.URI{{Value: executor.URI, Executable: true}}, nil
	}
	var choices, names []string
	for _, architecture := range architectures {
		executor, err := executorOf(runtime, architecture)
		if err != nil {
			return "", nil, err
		}
		file := nodeapi.ArtifactExecutor + "-" + string(architecture)
		choices = append(choices, fmt.Sprintf("%s) file=./%s digest=%s;;", machineNames[architecture], file, executor.SHA256))
		names = append(names, string(architecture))
		uris = append(uris, scheduler.URI{Value: executor.URI, Executable: true, OutputFile: file})
	}
	return setPath + `machine=$(uname -m); case "$machine" in ` + strings.Join(choices, " ") +
		` *) echo "k8sm: the node's runtime has an executor for ` + strings.Join(names, " and ") + `, and this agent's machine is $machine" >&2; exit 1;; esac; ` +
		`echo "$digest  $file" | sha256sum -c - >&2 && chmod 0755 "$file" && exec "$file"`, uris, nil
}

// machineNames are the patterns of a shell for what uname -m prints.
var machineNames = map[v1alpha1.Architecture]string{
	v1alpha1.ArchitectureAMD64: "x86_64|amd64",
	v1alpha1.ArchitectureARM64: "aarch64|arm64",
}

// executorOf returns the executor for agents of an architecture.
func executorOf(runtime Resolved, architecture v1alpha1.Architecture) (*v1alpha1.Artifact, error) {
	executor := artifactNamed(runtime.ArtifactsFor(architecture), nodeapi.ArtifactExecutor)
	switch {
	case executor == nil && architecture == "":
		return nil, errors.New("there is no artifact named executor")
	case executor == nil:
		return nil, fmt.Errorf("there is no artifact named executor for %s", architecture)
	case executor.Type != v1alpha1.ArtifactBinary:
		return nil, fmt.Errorf("the artifact executor is of type %s, not Binary", executor.Type)
	}
	return executor, nil
}

// quote makes a shell read the text as one word.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
