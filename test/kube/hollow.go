package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	genericserver "k8s.io/apiserver/pkg/server"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	cliflag "k8s.io/component-base/cli/flag"
	fakeremote "k8s.io/cri-client/pkg/fake"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles"
	"k8s.io/kubernetes/pkg/kubemark"
	utilfs "k8s.io/kubernetes/pkg/util/filesystem"
)

// newHollowKubeletCommand returns the real kubelet with a fake container runtime. It has
// the same flags and configuration file, requests its certificates in the same way,
// registers the same Node and serves the same port. The runtime reports containers as
// running without starting any, so it needs neither root nor cgroups.
func newHollowKubeletCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "hollow-kubelet",
		Short:              "The kubelet over a fake container runtime",
		DisableFlagParsing: true,
		SilenceUsage:       true,
		RunE: func(_ *cobra.Command, args []string) error {
			server, err := hollowServer(context.Background(), args)
			if err != nil {
				return err
			}
			return runHollow(genericserver.SetupSignalContext(), server)
		},
	}
}

// hollowServer reads flags and configuration file as the kubelet does. It ignores unknown
// flags.
func hollowServer(ctx context.Context, args []string) (*options.KubeletServer, error) {
	flags := options.NewKubeletFlags()
	config, err := options.NewKubeletConfiguration()
	if err != nil {
		return nil, fmt.Errorf("making kubelet configuration: %w", err)
	}
	if err := parseHollowFlags(flags, config, args); err != nil {
		return nil, err
	}
	if flags.KubeletConfigFile == "" {
		return &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}, nil
	}
	file, err := filepath.Abs(flags.KubeletConfigFile)
	if err != nil {
		return nil, fmt.Errorf("locating kubelet configuration: %w", err)
	}
	loader, err := configfiles.NewFsLoader(&utilfs.DefaultFs{}, file)
	if err != nil {
		return nil, fmt.Errorf("opening kubelet configuration: %w", err)
	}
	if config, err = loader.Load(ctx); err != nil {
		return nil, fmt.Errorf("loading kubelet configuration: %w", err)
	}
	// Flags have precedence over the file, so they are parsed once more.
	if err := parseHollowFlags(options.NewKubeletFlags(), config, args); err != nil {
		return nil, err
	}
	return &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}, nil
}

func parseHollowFlags(flags *options.KubeletFlags, config *kubeletconfig.KubeletConfiguration, args []string) error {
	set := pflag.NewFlagSet("hollow-kubelet", pflag.ContinueOnError)
	set.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	set.ParseErrorsAllowlist.UnknownFlags = true
	flags.AddFlags(set)
	options.AddKubeletConfigFlags(set, config)
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("parsing kubelet flags: %w", err)
	}
	return nil
}

// runHollow runs until the context ends.
func runHollow(ctx context.Context, server *options.KubeletServer) error {
	endpoint, stop, err := startFakeRuntime(server.RootDirectory)
	if err != nil {
		return err
	}
	defer stop()

	resources, err := newHollowResources(server)
	if err != nil {
		return err
	}
	hollowOut(server, endpoint)

	// Clients and runtime services stay nil: the kubelet makes them itself, from its
	// bootstrap kubeconfig and the endpoint, as it would with a real runtime.
	hollow := kubemark.NewHollowKubelet(&server.KubeletFlags, &server.KubeletConfiguration,
		nil, nil, newMachine(server.RootDirectory), nil, nil, resources)
	deps := hollow.KubeletDeps
	deps.KubeClient, deps.HeartbeatClient = nil, nil
	if deps.TLSOptions, err = kubelet.InitializeTLS(ctx, &server.KubeletFlags, &server.KubeletConfiguration); err != nil {
		return fmt.Errorf("initializing TLS: %w", err)
	}
	return kubelet.Run(ctx, server, deps, utilfeature.DefaultFeatureGate)
}

// hollowOut changes the settings that need root or a real runtime. All others are kept.
func hollowOut(server *options.KubeletServer, endpoint string) {
	server.ContainerRuntimeEndpoint = endpoint
	server.ImageServiceEndpoint = endpoint
	server.CgroupsPerQOS = false
	server.EnforceNodeAllocatable = nil
	server.CgroupRoot = ""
	server.KubeletCgroups = ""
	server.SystemCgroups = ""
	server.RuntimeCgroups = ""
	server.FailSwapOn = false
	server.FailCgroupV1 = false
	server.ProtectKernelDefaults = false
	server.MakeIPTablesUtilChains = false
	server.LocalStorageCapacityIsolation = true
	// newHollowResources applies its effect on allocatable. There is no usage to evict for.
	server.EvictionHard = map[string]string{}
}

// imageSize is the size of every image, in bytes.
const imageSize = 1 << 20

// startFakeRuntime serves the container runtime interface on a socket of its own.
func startFakeRuntime(root string) (endpoint string, stop func(), err error) {
	if err := os.MkdirAll(root, 0o750); err != nil {
		return "", nil, fmt.Errorf("making root directory: %w", err)
	}
	// Not below the root: a socket's path is limited to 107 bytes.
	dir, err := os.MkdirTemp("", "hollow-")
	if err != nil {
		return "", nil, fmt.Errorf("making socket directory: %w", err)
	}
	endpoint = "unix://" + filepath.Join(dir, "cri.sock")
	runtime := fakeremote.NewFakeRemoteRuntime()
	// An image without a size counts as broken, and keeps the second pod that uses it
	// from starting.
	runtime.ImageService.SetFakeImageSize(imageSize)
	if err := runtime.Start(endpoint); err != nil {
		return "", nil, fmt.Errorf("starting fake runtime: %w", err)
	}
	return endpoint, func() {
		stopped := make(chan struct{})
		go func() { runtime.Stop(); close(stopped) }()
		select {
		case <-stopped:
		case <-time.After(time.Second):
		}
		_ = os.RemoveAll(dir)
	}, nil
}
