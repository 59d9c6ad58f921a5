package mesosframework

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// killGrace is how long what is left on a node has to end after it was drained.
const killGrace = 30 * time.Second

// labelNode is the Mesos label that says what MesosNode a task is for.
const labelNode = "k8sm.io/node"

// NodeDefaults are what the operator gives to every node.
type NodeDefaults struct {
	// Runtime is what a node is made of.
	Runtime Runtime
	// APIServer is the URL at which nodes reach the Kubernetes API, CAData the PEM of
	// the authority that they check it against.
	APIServer string
	CAData    []byte
	// ClientCAData is the PEM of the authorities that the API server's clients, and so
	// the API server itself as a kubelet's client, are checked against. It is read from
	// the cluster. Nil: CAData.
	ClientCAData []byte
	// ClusterDNS and ClusterDomain go into the pods' resolv.conf.
	ClusterDNS    []string
	ClusterDomain string
	// StateDir is the folder on the agents that holds the nodes' state.
	StateDir string
}

// Payload returns what a node's task is launched with. The node's status.task is the intent
// that it is made for. Token is the bootstrap token as a kubelet presents it.
func (d NodeDefaults) Payload(n *v1alpha1.MesosNode, intent scheduler.Intent, token string) (scheduler.Payload, error) {
	runtime := d.Runtime.with(n.Spec.Template.Spec.Runtime)
	command, uri, err := start(runtime.artifact(nodeapi.ArtifactExecutor))
	if err != nil {
		return scheduler.Payload{}, err
	}
	overhead := overheadOf(n)
	message, err := launch(n, intent, d, token)
	if err != nil {
		return scheduler.Payload{}, err
	}
	message.OverheadCPUs, message.OverheadMemMiB = overhead.CPUs, overhead.MemMiB
	data, err := message.Encode()
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("making the launch message: %w", err)
	}
	return scheduler.Payload{
		Name:      n.Name,
		Data:      data,
		Command:   command,
		URIs:      []scheduler.URI{uri},
		Overhead:  overhead,
		Labels:    map[string]string{labelNode: n.Name, v1alpha1.LabelPool: n.Labels[v1alpha1.LabelPool]},
		KillGrace: killGrace,
	}, nil
}

func launch(n *v1alpha1.MesosNode, intent scheduler.Intent, defaults NodeDefaults, token string) (*nodeapi.LaunchSpec, error) {
	if len(intent.Ports) < 2 {
		return nil, fmt.Errorf("making the launch message: the offer brings %d ports, not 2", len(intent.Ports))
	}
	config, err := nodetemplate.KubeletConfig(n.Spec.Template.Spec)
	if err != nil {
		return nil, fmt.Errorf("making the launch message: %w", err)
	}
	pods, err := nodetemplate.StaticPods(n.Spec.Template.Spec)
	if err != nil {
		return nil, fmt.Errorf("making the launch message: %w", err)
	}
	runtime := defaults.Runtime.with(n.Spec.Template.Spec.Runtime)
	message := &nodeapi.LaunchSpec{
		NodeName:         n.Name,
		ProviderID:       nodemodel.ProviderID(intent.AgentID, intent.TaskID),
		APIServer:        defaults.APIServer,
		CAData:           defaults.CAData,
		ClientCAData:     defaults.ClientCAData,
		BootstrapToken:   token,
		Labels:           nodemodel.Labels(n),
		CPUs:             intent.Resources.CPUs,
		MemMiB:           intent.Resources.MemMiB,
		DiskMiB:          intent.Resources.DiskMiB,
		Address:          intent.Address,
		KubeletPort:      intent.Ports[0],
		StreamPort:       intent.Ports[1],
		KubeletConfig:    config,
		StaticPods:       pods,
		ClusterDNS:       defaults.ClusterDNS,
		ClusterDomain:    defaults.ClusterDomain,
		StateDir:         defaults.StateDir,
		CacheMiB:         runtime.cacheMiB(),
		ContainerRuntime: runtime.ContainerRuntime,
		RuntimeSocket:    runtime.RuntimeSocket,
		ExternalCNI:      runtime.CNI == v1alpha1.CNIExternal,
		SandboxImage:     runtime.SandboxImage,
		KillGraceSeconds: int(killGrace.Seconds()),
	}
	for _, t := range slices.Concat(n.Spec.Template.Spec.Taints, n.Spec.Template.Spec.StartupTaints) {
		message.Taints = append(message.Taints, nodeapi.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	for _, a := range runtime.Artifacts {
		message.Artifacts = append(message.Artifacts, nodeapi.Artifact{Name: a.Name, Type: string(a.Type), URI: a.URI, SHA256: a.SHA256})
	}
	return message, nil
}

// overheadOf is the part of a node's resources that is the executor's.
func overheadOf(n *v1alpha1.MesosNode) placement.Resources {
	overhead := n.Spec.Template.Spec.Overhead
	out := nodemodel.Resources(v1alpha1.NodeResources{CPU: overhead.CPU, Memory: overhead.Memory})
	out.Ports = 0
	return out
}

// start is how the executor is started from what the Mesos fetcher put into the
// sandbox: nothing is run that does not have the digest that was asked for.
func start(executor *v1alpha1.Artifact) (command string, uri scheduler.URI, err error) {
	if executor == nil {
		return "", uri, errors.New("making the command: there is no artifact named executor")
	}
	if executor.Type != v1alpha1.ArtifactBinary {
		return "", uri, fmt.Errorf("making the command: the artifact executor is of type %s, not Binary", executor.Type)
	}
	file := executor.URI[strings.LastIndexByte(executor.URI, '/')+1:] // as the fetcher names it
	if slices.Contains([]string{"", ".", ".."}, file) {
		return "", uri, errors.New("making the command: the executor's uri names no file")
	}
	quoted := quote("./" + file)
	command = fmt.Sprintf("echo %s | sha256sum -c - >&2 && chmod 0755 %s && exec %s", quote(executor.SHA256+"  ./"+file), quoted, quoted)
	return command, scheduler.URI{Value: executor.URI, Executable: true}, nil
}

// quote makes a shell take the text as one word.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
