package nodetemplate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// killGrace is the time that containers which are left after the drain have to end.
	killGrace = 30 * time.Second
	// labelNode is the Mesos label with the name of the MesosNode that a task is for.
	labelNode = "k8sm.io/node"
)

// Payload returns what a node's task is launched with. The node's status.task is the intent
// that it is made for. Token is the bootstrap token as a kubelet presents it; it is in the
// payload's data only.
func (d NodeDefaults) Payload(n *v1alpha1.MesosNode, intent scheduler.Intent, token string) (scheduler.Payload, error) {
	runtime := d.Runtime.merge(n.Spec.Template.Spec.Runtime)
	command, uri, err := startCommand(runtime.artifact(nodeapi.ArtifactExecutor))
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("making the command: %w", err)
	}
	data, err := d.launchMessage(n, intent, token)
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("making the launch message: %w", err)
	}
	return scheduler.Payload{
		Name:      n.Name,
		Data:      data,
		Command:   command,
		URIs:      []scheduler.URI{uri},
		Overhead:  overheadOf(n),
		Labels:    map[string]string{labelNode: n.Name, v1alpha1.LabelPool: n.Labels[v1alpha1.LabelPool]},
		KillGrace: killGrace,
	}, nil
}

// launchMessage returns the encoded launch message.
func (d NodeDefaults) launchMessage(n *v1alpha1.MesosNode, intent scheduler.Intent, token string) ([]byte, error) {
	spec, err := d.launchSpec(n, intent, token)
	if err != nil {
		return nil, err
	}
	return spec.Encode()
}

// launchSpec fills the launch message from the template, the defaults, and what the offer
// brings.
func (d NodeDefaults) launchSpec(n *v1alpha1.MesosNode, intent scheduler.Intent, token string) (*nodeapi.LaunchSpec, error) {
	if len(intent.Ports) < nodemodel.PortsPerNode {
		return nil, fmt.Errorf("the offer brings %d ports, not %d", len(intent.Ports), nodemodel.PortsPerNode)
	}
	template := n.Spec.Template.Spec
	config, err := KubeletConfig(template)
	if err != nil {
		return nil, err
	}
	pods, err := StaticPods(template)
	if err != nil {
		return nil, err
	}
	overhead := overheadOf(n)
	spec := &nodeapi.LaunchSpec{
		NodeName:         n.Name,
		ProviderID:       nodemodel.ProviderID(intent.AgentID, intent.TaskID),
		APIServer:        d.APIServer,
		CAData:           d.CAData,
		ClientCAData:     d.ClientCAData,
		BootstrapToken:   token,
		Labels:           nodemodel.Labels(n),
		CPUs:             intent.Resources.CPUs,
		MemMiB:           intent.Resources.MemMiB,
		DiskMiB:          intent.Resources.DiskMiB,
		OverheadCPUs:     overhead.CPUs,
		OverheadMemMiB:   overhead.MemMiB,
		Address:          intent.Address,
		KubeletPort:      intent.Ports[0],
		StreamPort:       intent.Ports[1],
		KubeletConfig:    config,
		StaticPods:       pods,
		ClusterDNS:       d.ClusterDNS,
		ClusterDomain:    d.ClusterDomain,
		StateDir:         d.StateDir,
		Network:          d.network(),
		KillGraceSeconds: int(killGrace.Seconds()),
	}
	for _, t := range slices.Concat(template.Taints, template.StartupTaints) {
		spec.Taints = append(spec.Taints, nodeapi.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	d.Runtime.merge(template.Runtime).applyTo(spec)
	return spec, nil
}

// overheadOf returns the part of a node's resources that the executor uses itself.
func overheadOf(n *v1alpha1.MesosNode) placement.Resources {
	overhead := n.Spec.Template.Spec.Overhead
	resources := nodemodel.Resources(v1alpha1.NodeResources{CPU: overhead.CPU, Memory: overhead.Memory})
	resources.Ports = 0
	return resources
}

// startCommand returns the shell command that starts the executor, and the URI that the Mesos
// fetcher puts into the sandbox before. The command runs nothing that does not have the
// requested digest. The agent's --executor_environment_variables may have replaced PATH.
func startCommand(executor *v1alpha1.Artifact) (command string, uri scheduler.URI, err error) {
	if executor == nil {
		return "", uri, errors.New("there is no artifact named executor")
	}
	if executor.Type != v1alpha1.ArtifactBinary {
		return "", uri, fmt.Errorf("the artifact executor is of type %s, not Binary", executor.Type)
	}
	file := executor.URI[strings.LastIndexByte(executor.URI, '/')+1:] // as the fetcher names it
	if slices.Contains([]string{"", ".", ".."}, file) {
		return "", uri, errors.New("the executor's uri names no file")
	}
	quoted := quote("./" + file)
	command = fmt.Sprintf("PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; echo %s | sha256sum -c - >&2 && chmod 0755 %s && exec %s", quote(executor.SHA256+"  ./"+file), quoted, quoted)
	return command, scheduler.URI{Value: executor.URI, Executable: true}, nil
}

// quote makes a shell read the text as one word.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
