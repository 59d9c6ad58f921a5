package permission

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// reviewer answers SelfSubjectAccessReviews.
type reviewer struct {
	client.Writer
	denied string // "verb resource"
	err    error
	asked  []string
}

func (r *reviewer) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	review := object.(*authorizationv1.SelfSubjectAccessReview)
	a := review.Spec.ResourceAttributes
	r.asked = append(r.asked, a.Verb+" "+a.Resource)
	review.Status.Allowed = r.denied != a.Verb+" "+a.Resource
	return r.err
}

func TestMissingRightIsNamed(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "selfsubjectaccessreviews"}, "", errors.New("no"))
	for name, test := range map[string]struct {
		reviewer reviewer
		want     string
		err      string
	}{
		"all rights":                      {},
		"no right to list pods":           {reviewer: reviewer{denied: "list pods"}, want: "list pods"},
		"no right to watch storage":       {reviewer: reviewer{denied: "watch csinodes"}, want: "watch csinodes.storage.k8s.io"},
		"no right to get owners":          {reviewer: reviewer{denied: "get jobs"}, want: "get jobs.batch"},
		"no right to ask":                 {reviewer: reviewer{err: forbidden}, want: "list pods"},
		"an API server that is not there": {reviewer: reviewer{err: errors.New("no route to host")}, err: "no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Checker{Client: &test.reviewer, Now: time.Now}
			got, err := c.Missing(t.Context())
			if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %q, %v, want %q, %q", got, err, test.want, test.err)
			}
		})
	}
}

func TestAnswersAreKeptForAWhile(t *testing.T) {
	for name, test := range map[string]struct {
		denied string
		kept   time.Duration
		calls  int // of one round
	}{
		"granted": {kept: ConfirmInterval, calls: 30},
		"denied":  {denied: "list pods", kept: RetryInterval, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			r := &reviewer{denied: test.denied}
			c := &Checker{Client: r, Now: func() time.Time { return now }}
			for _, step := range []struct {
				pass time.Duration
				want int
			}{{0, test.calls}, {test.kept - 1, test.calls}, {1, 2 * test.calls}} {
				now = now.Add(step.pass)
				if _, err := c.Missing(t.Context()); err != nil || len(r.asked) != step.want {
					t.Errorf("%d questions after %s, want %d (error %v)", len(r.asked), step.pass, step.want, err)
				}
			}
		})
	}
}

func TestAnErrorIsNotKept(t *testing.T) {
	r := &reviewer{err: errors.New("no route to host")}
	c := &Checker{Client: r, Now: time.Now}
	if _, err := c.Missing(t.Context()); err == nil {
		t.Fatal("no error")
	}
	r.err = nil
	if missing, err := c.Missing(t.Context()); missing != "" || err != nil {
		t.Errorf("got %q, %v", missing, err)
	}
}

// The shipped ClusterRole grants what is asked for, and nothing but reads and the question itself.
func TestShippedRoleGrantsTheReads(t *testing.T) {
	data, err := os.ReadFile("../../../config/rbac/autoscaling/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	role := rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(data, &role); err != nil {
		t.Fatal(err)
	}
	granted := map[string]bool{}
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				granted[verb+" "+resource+"."+rule.APIGroups[0]] = true
				if !slices.Contains([]string{"get", "list", "watch"}, verb) && resource != "selfsubjectaccessreviews" {
					t.Errorf("the role permits to %s %s", verb, resource)
				}
			}
		}
	}
	for _, read := range Reads() {
		for _, verb := range read.Verbs {
			if !granted[verb+" "+read.Resource+"."+read.Group] {
				t.Errorf("the role does not permit to %s %s", verb, read.Resource)
			}
		}
	}
}
