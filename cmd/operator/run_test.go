package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// apiServer returns access to an API server whose Lease another operator holds, and the
// requests that it got.
func apiServer(t *testing.T) (*rest.Config, *[]string) {
	t.Helper()
	var requests []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(r.URL.Path, "/leases/"):
			fmt.Fprint(w, `{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "operator-1"}}`)
		case r.URL.Path == "/api":
			fmt.Fprint(w, `{"kind": "APIVersions", "versions": ["v1"]}`)
		case r.URL.Path == "/apis":
			fmt.Fprint(w, `{"kind": "APIGroupList", "apiVersion": "v1", "groups": []}`)
		case r.URL.Path == "/api/v1":
			fmt.Fprint(w, `{"kind": "APIResourceList", "groupVersion": "v1", "resources": [
				{"name": "configmaps", "kind": "ConfigMap", "namespaced": true}, {"name": "secrets", "kind": "Secret", "namespaced": true},
				{"name": "pods", "kind": "Pod", "namespaced": true}, {"name": "nodes", "kind": "Node"}]}`)
		default:
			fmt.Fprint(w, `{"apiVersion": "v1", "kind": "ConfigMap"}`)
		}
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL}, &requests
}

func TestManagerWritesAndSubscribesOnlyWhileLeading(t *testing.T) {
	access, requests := apiServer(t)
	o, err := parsed(t, "--metrics-bind-address=0", "--health-probe-bind-address=0")
	if err != nil {
		t.Fatal(err)
	}
	mgr, maySubscribe, err := o.newManager(access, "operator-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := maySubscribe(context.Background()); err == nil || !strings.Contains(err.Error(), `the lease is held by "operator-1"`) {
		t.Errorf("may it subscribe? %v", err)
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
	if err := mgr.GetClient().Create(context.Background(), object); err == nil || !strings.Contains(err.Error(), errNotLeading.Error()) {
		t.Errorf("may it write? %v", err)
	}
	for _, request := range *requests {
		if !strings.HasPrefix(request, http.MethodGet) {
			t.Errorf("the API server got %s", request)
		}
	}
}

func TestOperatorWithoutElectionAlwaysLeads(t *testing.T) {
	access, requests := apiServer(t)
	o, err := parsed(t, "--leader-elect=false", "--metrics-bind-address=0", "--health-probe-bind-address=0")
	if err != nil {
		t.Fatal(err)
	}
	mgr, maySubscribe, err := o.newManager(access, "operator-0")
	if err != nil || maySubscribe != nil {
		t.Fatalf("subscriptions are checked: %t, error %v", maySubscribe != nil, err)
	}
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
	if err := mgr.GetClient().Create(context.Background(), object); err != nil {
		t.Error(err)
	}
	if last := (*requests)[len(*requests)-1]; last != "POST /api/v1/namespaces/default/configmaps" {
		t.Errorf("the last request is %s", last)
	}
}
