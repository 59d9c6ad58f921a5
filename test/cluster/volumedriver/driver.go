// Package volumedriver is a small CSI driver that uses a node like the drivers of storage
// vendors: it registers with the kubelet by a socket in /var/lib/kubelet/plugins_registry,
// and mounts volumes below /var/lib/kubelet/pods. A volume is a folder of the host.
//
// It knows neither Kubernetes' API nor k8sm, so it works only on nodes that have the paths
// and mounts that drivers expect. The end-to-end tests start it as a DaemonSet.
package volumedriver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const (
	// Name of the driver, as a CSIDriver object and a pod's volume give it.
	Name = "folder.playground.k8sm.io"
	// AttributeFolder is the volume attribute with the folder that is mounted. The driver
	// creates it if it does not exist.
	AttributeFolder = "folder"

	kubeletRoot = "/var/lib/kubelet"
)

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer
	node   string
	socket string
}

// Serve serves the volumes of a node until the context ends.
func Serve(ctx context.Context, node string) error {
	d := &driver{node: node, socket: filepath.Join(kubeletRoot, "plugins", Name, "csi.sock")}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, d)
	csi.RegisterNodeServer(server, d)
	registration.RegisterRegistrationServer(server, d)
	defer context.AfterFunc(ctx, server.Stop)()
	ended := make(chan error, 2)
	for _, socket := range []string{d.socket, filepath.Join(kubeletRoot, "plugins_registry", Name+"-reg.sock")} {
		listener, err := listen(socket)
		if err != nil {
			return err
		}
		go func() { ended <- server.Serve(listener) }()
	}
	return <-ended
}

// listen listens on a socket. It first removes a socket of an earlier driver, which a killed
// driver leaves behind.
func listen(socket string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return nil, fmt.Errorf("making folder of socket: %w", err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing old socket: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// GetInfo returns the driver's socket to the kubelet.
func (d *driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: Name, Endpoint: d.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus is called with the result of the registration, and ignores it.
func (d *driver) NotifyRegistrationStatus(context.Context, *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	return &registration.RegistrationStatusResponse{}, nil
}

// GetPluginInfo returns the driver's name.
func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: Name, VendorVersion: "1"}, nil
}

// GetPluginCapabilities returns no capabilities.
func (d *driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// Probe always succeeds.
func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// NodeGetInfo returns the node's name.
func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

// NodeGetCapabilities returns no capabilities: volumes are not staged.
func (d *driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

// NodePublishVolume mounts the folder at the target path.
func (d *driver) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	folder := r.GetVolumeContext()[AttributeFolder]
	if !filepath.IsAbs(folder) {
		return nil, status.Errorf(codes.InvalidArgument, "the attribute %q is %q, not an absolute path", AttributeFolder, folder)
	}
	for _, dir := range []string{folder, r.GetTargetPath()} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	if err := bind(folder, r.GetTargetPath()); err != nil {
		return nil, status.Errorf(codes.Internal, "mounting %s: %v", folder, err)
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

// NodeUnpublishVolume unmounts the target path, if it is mounted, and removes it.
func (d *driver) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if err := unbind(r.GetTargetPath()); err != nil {
		return nil, status.Errorf(codes.Internal, "unmounting %s: %v", r.GetTargetPath(), err)
	}
	if err := os.Remove(r.GetTargetPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}
