package nodetemplate

import (
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// defaultKillGrace is the default of drain.killGracePeriod.
	defaultKillGrace = 30 * time.Second
	// labelNode is the Mesos label with the name of the MesosNode that a task is for.
	labelNode = "k8sm.io/node"
)

// Payload returns what a node's task is launched with. The node's status.task is the intent
// that it is made for. Token is the bootstrap token as a kubelet presents it; it is in the
// payload's data only.
func (d NodeDefaults) Payload(n *v1alpha1.MesosNode, intent scheduler.Intent, token string) (scheduler.Payload, error) {
	runtime, err := d.Runtime.Resolve(n.Spec.Template.Spec.Runtime)
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("choosing the runtime: %w", err)
	}
	command, uris, err := startCommand(runtime)
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("making the command: %w", err)
	}
	spec, err := d.launchSpec(n, runtime, intent, token)
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("making the launch message: %w", err)
	}
	data, err := spec.Encode()
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("making the launch message: %w", err)
	}
	return scheduler.Payload{
		Name:      n.Name,
		Data:      data,
		Command:   command,
		URIs:      uris,
		Overhead:  overheadOf(n),
		Labels:    map[string]string{labelNode: n.Name, v1alpha1.LabelPool: n.Labels[v1alpha1.LabelPool]},
		KillGrace: killGraceOf(n),
	}, nil
}

// launchSpec fills the launch message from the template, its runtime, the defaults, and what
// the offer brings.
func (d NodeDefaults) launchSpec(n *v1alpha1.MesosNode, runtime Resolved, intent scheduler.Intent, token string) (*nodeapi.LaunchSpec, error) {
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
		CacheMiB:         d.Runtime.cacheMiB(),
		Network:          d.network(),
		KillGraceSeconds: int(math.Ceil(killGraceOf(n).Seconds())),
	}
	// The operator sets the labels once the Node exists, and removes this taint then.
	spec.Taints = []nodeapi.Taint{{Key: v1alpha1.TaintUnregistered, Effect: string(corev1.TaintEffectNoSchedule)}}
	for _, t := range slices.Concat(template.Taints, template.StartupTaints) {
		if t.Key != v1alpha1.TaintUnregistered { // A Node with two taints of one key and effect is invalid.
			spec.Taints = append(spec.Taints, nodeapi.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
		}
	}
	runtime.applyTo(spec)
	spec.MirrorCredentials = d.MirrorCredentials
	return spec, nil
}

// killGraceOf returns the time that containers which are left after the drain have to end.
func killGraceOf(n *v1alpha1.MesosNode) time.Duration {
	if grace := n.Spec.Drain.KillGracePeriod; grace != nil {
		return grace.Duration
	}
	return defaultKillGrace
}

// overheadOf returns the part of a node's resources that the executor uses itself.
func overheadOf(n *v1alpha1.MesosNode) placement.Resources {
	overhead := n.Spec.Template.Spec.Overhead
	resources := nodemodel.Resources(v1alpha1.NodeResources{CPU: overhead.CPU, Memory: overhead.Memory})
	resources.Ports = 0
	return resources
}
