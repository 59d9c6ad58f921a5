package identity

import (
	"context"
	"fmt"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestLimiter(t *testing.T) {
	var l limiter
	for i := range requestBurst {
		if wait := l.take("a", noon); wait != 0 {
			t.Fatalf("request %d has to wait for %s", i+1, wait)
		}
	}
	for range 10000 {
		if wait := l.take("a", noon); wait != requestInterval {
			t.Fatalf("a request after the burst has to wait for %s, want %s", wait, requestInterval)
		}
	}
	if wait := l.take("b", noon); wait != 0 {
		t.Errorf("another requestor has to wait for %s", wait)
	}
	if wait := l.take("a", noon.Add(requestInterval)); wait != 0 {
		t.Errorf("after the interval a request has to wait for %s", wait)
	}
	if wait := l.take("a", noon.Add(requestInterval)); wait != requestInterval {
		t.Errorf("the request after that has to wait for %s", wait)
	}
}

func TestLimiterRemembersABoundedNumberOfRequestors(t *testing.T) {
	var l limiter
	for i := range 3 * maxRequestors {
		l.take(fmt.Sprint(i), noon.Add(time.Duration(i/maxRequestors)*time.Second))
	}
	if len(l.free) > maxRequestors {
		t.Errorf("%d are remembered", len(l.free))
	}
}

func TestManyRequestsOfOneNodeAreBounded(t *testing.T) {
	a := newRenewal()
	a.csr.CreationTimestamp.Time = noon.Add(time.Minute)
	a.certificate.Subject.CommonName = "system:node:other" // each one is denied
	valid := newFirstRequest()
	objects := []client.Object{valid.node, valid.signed(t)}
	signed := a.signed(t)
	var flood []*certificatesv1.CertificateSigningRequest
	for i := range 2 * requestBurst {
		csr := signed.DeepCopy()
		csr.Name = fmt.Sprintf("csr-%d", i)
		flood, objects = append(flood, csr), append(objects, csr)
	}
	o := newFixture(t, objects...)
	for _, csr := range flood {
		if _, err := o.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(csr)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(o.log) != requestBurst {
		t.Errorf("%d writes for %d requests of one node, want %d", len(o.log), len(flood), requestBurst)
	}
	o.reconcile(&valid.csr)
	if got := o.conditions(valid.csr.Name); len(got) != 1 || got[0] != "Approved "+v1alpha1.ReasonMatchesRecord {
		t.Errorf("the request of another is %v", got)
	}
	last := flood[len(flood)-1]
	if again := o.reconcile(last); again != requestInterval {
		t.Errorf("a request over the limit is looked at again after %s, want %s", again, requestInterval)
	}
	o.now = noon.Add(time.Minute + maxRequestAge)
	for range requestBurst + 1 {
		o.limiter.take(last.Spec.Username, o.now)
	}
	if again := o.reconcile(last); again != 0 {
		t.Errorf("a request that nobody waits for is looked at again after %s", again)
	}
}
