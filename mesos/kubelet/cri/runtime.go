package cri

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Sandbox is what holds a pod together.
type Sandbox struct {
	ID string
	// CgroupParent is the pod's cgroup, seen from the root of each hierarchy. Empty if the
	// runtime does not tell.
	CgroupParent string
}

// Name of the runtime: containerd, say.
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

// SystemdCgroups says that the runtime has systemd make cgroups, and so can't put them
// where it is told. One that is too old to say is believed not to.
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
		systemd = true // which is 0, and hence not said
		return fields(linux, func(field protowire.Number, _ []byte, driver uint64) error {
			systemd = systemd && (field != 1 || driver == 0)
			return nil
		})
	})
	return systemd, err
}

// Sandboxes are all that the runtime has, those of pods that ended too.
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

// cgroupParent is in the runtime's own words, which are asked for as details.
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

// parentIn what containerd tells of a sandbox.
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
