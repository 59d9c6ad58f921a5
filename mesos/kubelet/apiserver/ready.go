package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// askWithin bounds one question about the Node.
const askWithin = 10 * time.Second

// AwaitReady returns nil when the Node is Ready, and an error only when the context ends: the
// operator limits the time that a node may take. A status that the kubelet reported before
// since does not count. After each question without success the reason is passed to waiting.
func (c Client) AwaitReady(ctx context.Context, since time.Time, every time.Duration, waiting func(reason error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := c.NodeReady(ctx, since)
		if err == nil {
			return nil
		}
		waiting(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// NodeReady asks once. The error is the reason why the Node is not Ready, or why that is unknown:
// then IsUnavailable holds.
func (c Client) NodeReady(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	body, err := c.get(ctx, "/api/v1/nodes/"+url.PathEscape(c.NodeName))
	if err != nil {
		return err
	}
	defer body.Close()
	return parseReady(io.LimitReader(body, maxNode), since)
}

func parseReady(body io.Reader, since time.Time) error {
	var node struct {
		Status struct {
			Conditions []struct {
				Type, Status, Message string
				LastHeartbeatTime     time.Time
			}
		}
	}
	if err := json.NewDecoder(body).Decode(&node); err != nil {
		return fmt.Errorf("reading the node: %w", err)
	}
	for _, c := range node.Status.Conditions {
		switch {
		case c.Type != "Ready":
		case c.LastHeartbeatTime.Before(since):
			return errors.New("the kubelet has said nothing of the Node since it was started")
		case c.Status == "True":
			return nil
		default:
			return fmt.Errorf("the Node is not Ready: %s", c.Message)
		}
	}
	return errors.New("the Node has no condition Ready yet")
}
