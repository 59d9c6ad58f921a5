package catalogue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

func TestRelease(t *testing.T) {
	for name, test := range map[string]struct {
		answer  string
		failure error
		want    nodetemplate.Release
		fails   bool
	}{
		"a release":                    {answer: "v1.37.2", want: nodetemplate.Release{Major: 1, Minor: 37}},
		"a release of a cloud":         {answer: "v1.29.1-eks-508b6b3", want: nodetemplate.Release{Major: 1, Minor: 29}},
		"a version that is no release": {answer: "main"},
		"no right to ask":              {failure: apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no"))},
		"an API server that is not up": {failure: errors.New("connection refused"), fails: true},
	} {
		a := &APIServer{Now: func() time.Time { return noon }, Log: logr.Discard(), Version: func(context.Context) (*version.Info, error) {
			return &version.Info{GitVersion: test.answer}, test.failure
		}}
		if got, err := a.Release(t.Context()); got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

func TestAPIServerIsAskedUntilItAnswers(t *testing.T) {
	asked := 0
	a := &APIServer{Now: func() time.Time { return noon }, Log: logr.Discard(), Version: func(context.Context) (*version.Info, error) {
		if asked++; asked < 3 {
			return nil, errors.New("connection refused")
		}
		return &version.Info{GitVersion: "v1.37.2"}, nil
	}}
	for range 5 {
		_, _ = a.Release(t.Context())
	}
	if asked != 3 {
		t.Errorf("it was asked %d times", asked)
	}
}

// Others must not wait for an API server that does not answer one of them.
func TestNobodyWaitsForAnAnswerThatAnotherAskedFor(t *testing.T) {
	now := noon
	hang := make(chan struct{})
	hangs := false
	started := make(chan struct{}, 1)
	a := &APIServer{Now: func() time.Time { return now }, Log: logr.Discard(), Version: func(context.Context) (*version.Info, error) {
		if hangs {
			started <- struct{}{}
			<-hang
		}
		return &version.Info{GitVersion: "v1.37.2"}, nil
	}}
	if _, err := a.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	hangs, now = true, now.Add(releaseValidity)
	done := make(chan struct{})
	go func() { defer close(done); _, _ = a.Release(context.Background()) }()
	<-started
	if got, err := a.Release(t.Context()); err != nil || got.Minor != 37 {
		t.Errorf("got %s, %v", got, err)
	}
	close(hang)
	<-done
}
