package nodemodel

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// uidLength is the number of characters of a MesosNode's UID that go into its task IDs:
// enough that a node which is deleted and made again under the same name gets other IDs.
const uidLength = 8

// TaskID is the ID of the Mesos task of one attempt of a node:
// <name>.<first 8 of the UID>.<attempt>. It is never used twice.
func TaskID(node *v1alpha1.MesosNode, attempt int32) string {
	return taskIDPrefix(node) + strconv.Itoa(int(attempt))
}

// taskIDPrefix begins the task IDs of all attempts of a node.
func taskIDPrefix(node *v1alpha1.MesosNode) string {
	uid := string(node.UID)
	return fmt.Sprintf("%s.%s.", node.Name, uid[:min(uidLength, len(uid))])
}

// NameOf returns the name of the MesosNode that a task ID was made for, and false
// when k8sm made no such ID. Names may hold dots, the rest of an ID doesn't.
func NameOf(taskID string) (string, bool) {
	rest, attempt, ok := cutLast(taskID)
	if !ok {
		return "", false
	}
	if n, err := strconv.ParseInt(attempt, 10, 32); err != nil || n < 1 {
		return "", false
	}
	name, uid, ok := cutLast(rest)
	return name, ok && name != "" && uid != "" && len(uid) <= uidLength
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// ProviderID is the provider ID of the Node of a task: mesos://<agent ID>/<task ID>.
func ProviderID(agentID, taskID string) string {
	return v1alpha1.ProviderIDPrefix + agentID + "/" + taskID
}

// CurrentProviderID is the provider ID of the node's current task, "" when it has none.
func CurrentProviderID(node *v1alpha1.MesosNode) string {
	if node.Status.Task == nil {
		return ""
	}
	return ProviderID(node.Status.Task.AgentID, node.Status.Task.ID)
}

// AttemptOf returns the attempt of the node that a provider ID denotes, 0 when the ID was
// not made for the node.
func AttemptOf(node *v1alpha1.MesosNode, providerID string) int32 {
	rest, ok := strings.CutPrefix(providerID, v1alpha1.ProviderIDPrefix)
	if !ok {
		return 0
	}
	_, taskID, _ := strings.Cut(rest, "/")
	attempt, ok := strings.CutPrefix(taskID, taskIDPrefix(node))
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(attempt, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}
