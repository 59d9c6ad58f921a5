package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// requestTimes records when certificate requests arrive, until Stop.
type requestTimes struct {
	watch.Interface

	mu    sync.Mutex
	first map[string]time.Time // by who asked
}

func (f *fleet) watchRequests(ctx context.Context) (*requestTimes, error) {
	w, err := f.client.Watch(ctx, &certificatesv1.CertificateSigningRequestList{})
	if err != nil {
		return nil, fmt.Errorf("watching certificate requests: %w", err)
	}
	a := &requestTimes{Interface: w, first: map[string]time.Time{}}
	go func() {
		for event := range w.ResultChan() {
			if request, ok := event.Object.(*certificatesv1.CertificateSigningRequest); ok && event.Type == watch.Added {
				a.record(request.Spec.Username)
			}
		}
	}()
	return a, nil
}

func (a *requestTimes) record(from string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.first[from].IsZero() {
		a.first[from] = time.Now()
	}
}

func (a *requestTimes) firstOf(from string) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.first[from]
}
