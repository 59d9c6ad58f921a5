package cri

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Sandbox holds the namespaces of a pod.
type Sandbox struct {
	ID string
	// CgroupParent is the pod's cgroup, seen from the root of each hierarchy. Empty if the
	// runtime does not report it.
	CgroupParent string
}

// Name returns the name of the runtime, "containerd" for example.
func (c *Client) Name(ctx context.Context) (name string, err error) {
	answer, err := c.call(ctx, "Version", nil)
	if err != nil {
		return "", err
	}
	err = fields(answer, func(field protowire.Number, text []byte, _ uint64) error {
		if field == 2 {
			name = string(text)
		}
		return nil
	})
	return name, err
}

// SystemdCgroups reports whether the runtime has systemd make cgroups, and so cannot put them
// into the Mesos container. A runtime that is too old for the question is believed not to.
func (c *Client) SystemdCgroups(ctx context.Context) (bool, error) {
	answer, err := c.call(ctx, "RuntimeConfig", nil)
	if refused, ok := errors.AsType[*Error](err); ok && refused.Code == Unimplemented {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	systemd := false
	err = fields(answer, func(field protowire.Number, linux []byte, _ uint64) error {
		if field != 1 {
			return nil
		}
		systemd = true // the driver systemd is 0, which protobuf leaves out
		return fields(linux, func(field protowire.Number, _ []byte, driver uint64) error {
			systemd = systemd && (field != 1 || driver == 0)
			return nil
		})
	})
	return systemd, err
}

// Sandboxes returns all that the runtime has, also of pods that have ended.
func (c *Client) Sandboxes(ctx context.Context) ([]Sandbox, error) {
	ids, err := c.ids(ctx)
	if err != nil {
		return nil, err
	}
	var all []Sandbox
	for _, id := range ids {
		parent, err := c.cgroupParent(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, Sandbox{ID: id, CgroupParent: parent})
	}
	return all, nil
}

// Remove stops what runs in a sandbox, takes down its network, and removes it.
func (c *Client) Remove(ctx context.Context, id string) error {
	request := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), id)
	if _, err := c.call(ctx, "StopPodSandbox", request); err != nil {
		return err
	}
	_, err := c.call(ctx, "RemovePodSandbox", request)
	return err
}

func (c *Client) ids(ctx context.Context) (ids []string, err error) {
	answer, err := c.call(ctx, "ListPodSandbox", nil)
	if err != nil {
		return nil, err
	}
	err = fields(answer, func(field protowire.Number, sandbox []byte, _ uint64) error {
		if field != 1 {
			return nil
		}
		return fields(sandbox, func(field protowire.Number, id []byte, _ uint64) error {
			if field == 1 {
				ids = append(ids, string(id))
			}
			return nil
		})
	})
	return ids, err
}

// cgroupParent reads the pod's cgroup from the details of its status, which are the runtime's
// own and not part of the interface.
func (c *Client) cgroupParent(ctx context.Context, id string) (parent string, err error) {
	request := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), id)
	request = protowire.AppendVarint(protowire.AppendTag(request, 2, protowire.VarintType), 1)
	answer, err := c.call(ctx, "PodSandboxStatus", request)
	if err != nil {
		return "", err
	}
	err = fields(answer, func(field protowire.Number, entry []byte, _ uint64) error {
		if field != 2 {
			return nil
		}
		var key string
		return fields(entry, func(field protowire.Number, text []byte, _ uint64) error {
			if field == 1 {
				key = string(text)
			}
			if field == 2 && key == "info" {
				parent, err = parentIn(text)
			}
			return err
		})
	})
	return parent, err
}

// parentIn reads the cgroup from containerd's details of a sandbox, in JSON.
func parentIn(info []byte) (string, error) {
	var details struct {
		Config struct {
			Linux struct {
				CgroupParent string `json:"cgroup_parent"`
			} `json:"linux"`
		} `json:"config"`
	}
	if err := json.Unmarshal(info, &details); err != nil {
		return "", fmt.Errorf("reading details of a pod: %w", err)
	}
	return details.Config.Linux.CgroupParent, nil
}

// fields calls visit for each field of a message, with its bytes or its number.
func fields(message []byte, visit func(field protowire.Number, text []byte, number uint64) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("reading the container runtime's answer: %w", protowire.ParseError(n))
		}
		message = message[n:]
		var text []byte
		var number uint64
		switch kind {
		case protowire.BytesType:
			text, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return fmt.Errorf("reading the container runtime's answer: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if err := visit(field, text, number); err != nil {
			return err
		}
	}
	return nil
}
