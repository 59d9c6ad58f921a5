// Package permission asks the API server whether the operator may read what autoscaling needs.
//
// Pods, volumes and the like of a whole cluster are read for autoscaling alone, so these rights
// are a ClusterRole of their own, config/rbac/autoscaling. A cluster without autoscaled pools can
// leave it out. The autoscaler asks before it starts caches of these kinds: a cache that may not
// list its kind never becomes usable, and logs an error every few seconds.
//
// The package refuses to know pools and what is decided. The autoscaler calls it.
package permission

import (
	"context"
	"fmt"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// RetryInterval is the time after which to ask again while a right is missing.
	RetryInterval = 30 * time.Second
	// ConfirmInterval is the time for which granted rights are taken to last.
	ConfirmInterval = 10 * time.Minute
)

// Read is a kind that is read, and how: list and watch for a cache, get for single objects.
type Read struct {
	Group, Resource string
	Verbs           []string
}

// Reads returns what autoscaling reads besides what the operator reads anyway.
func Reads() []Read {
	cached, single := []string{"list", "watch"}, []string{"get"}
	return []Read{
		{"", "pods", cached},
		{"", "namespaces", cached},
		{"", "limitranges", cached},
		{"", "persistentvolumes", cached},
		{"", "persistentvolumeclaims", cached},
		{"apps", "daemonsets", cached},
		{"node.k8s.io", "runtimeclasses", cached},
		{"policy", "poddisruptionbudgets", cached},
		{"storage.k8s.io", "storageclasses", cached},
		{"storage.k8s.io", "csinodes", cached},
		{"storage.k8s.io", "csidrivers", cached},
		{"storage.k8s.io", "csistoragecapacities", cached},
		{"storage.k8s.io", "volumeattachments", cached},
		{"", "replicationcontrollers", single},
		{"apps", "replicasets", single},
		{"apps", "statefulsets", single},
		{"batch", "jobs", single},
	}
}

// Checker asks for all reads, and remembers the answer. It must be used by one goroutine.
type Checker struct {
	// Client creates SelfSubjectAccessReviews, which every authenticated user may.
	Client client.Writer
	// Now is the clock.
	Now func() time.Time

	// missing is the answer that holds until validUntil; "" if nothing was missing.
	missing    string
	validUntil time.Time
}

// Missing returns a right that the operator lacks, such as "list pods"; "" if it lacks none. An
// error means that the API server did not answer.
func (c *Checker) Missing(ctx context.Context) (string, error) {
	now := c.Now()
	if now.Before(c.validUntil) {
		return c.missing, nil
	}
	missing, err := c.ask(ctx)
	if err != nil {
		return "", fmt.Errorf("asking whether autoscaling is permitted: %w", err)
	}
	c.missing, c.validUntil = missing, now.Add(ConfirmInterval)
	if missing != "" {
		c.validUntil = now.Add(RetryInterval)
	}
	return missing, nil
}

// ask asks until one right is missing, so that an operator without these rights asks once only.
func (c *Checker) ask(ctx context.Context) (string, error) {
	for _, read := range Reads() {
		for _, verb := range read.Verbs {
			right := strings.TrimSuffix(verb+" "+read.Resource+"."+read.Group, ".")
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Group: read.Group, Resource: read.Resource, Verb: verb},
			}}
			switch err := c.Client.Create(ctx, review); {
			case apierrors.IsForbidden(err):
				return right, nil // a cluster without the role system:basic-user; the same ClusterRole permits the question
			case err != nil:
				return "", err
			case !review.Status.Allowed:
				return right, nil
			}
		}
	}
	return "", nil
}
