package identity

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// history is a first certificate and two renewals, each made with the certificate before, and a
// renewal that was made with the first certificate again.
type history struct {
	first, second, third, stale *certificatesv1.CertificateSigningRequest
}

func newHistory(t *testing.T) history {
	t.Helper()
	var h history
	h.first = approved(newFirstRequest().at(noon.Add(time.Minute)).signed(t), noon.Add(time.Minute), true)
	h.second = approved(newRenewal().named("csr-2").madeWith(h.first).at(noon.Add(time.Hour)).signed(t), noon.Add(time.Hour), true)
	h.third = approved(newRenewal().named("csr-3").madeWith(h.second).at(noon.Add(2*time.Hour)).signed(t), noon.Add(2*time.Hour), true)
	h.stale = approved(newRenewal().named("csr-4").madeWith(h.first).at(noon.Add(3*time.Hour)).signed(t), noon.Add(3*time.Hour), true)
	return h
}

func issued(csr *certificatesv1.CertificateSigningRequest) *v1alpha1.TaskCertificate {
	return issuedCertificate(csr)
}

func TestLastCertificate(t *testing.T) {
	h := newHistory(t)
	pending := h.first.DeepCopy()
	pending.Status.Certificate = nil
	unreadable := h.first.DeepCopy()
	unreadable.Status.Certificate = []byte("a certificate")
	unnamed := h.second.DeepCopy()
	unnamed.Spec.Extra = nil
	all := func(csrs ...*certificatesv1.CertificateSigningRequest) []*certificatesv1.CertificateSigningRequest {
		return csrs
	}
	type answer struct {
		Last  string
		Known bool
	}
	tests := map[string]struct {
		record   *v1alpha1.TaskCertificate
		noToken  bool // no request was approved for the token
		requests []*certificatesv1.CertificateSigningRequest
		later    time.Duration
		want     answer
	}{
		"the first is being issued":                   {requests: all(pending), want: answer{"", true}},
		"no request was approved":                     {noToken: true, want: answer{"", true}},
		"the first is not on record yet":              {requests: all(h.first), want: answer{"node-csr-1", true}},
		"the first was approved by somebody else":     {noToken: true, requests: all(h.first), want: answer{"node-csr-1", true}},
		"the record of an operator that kept none":    {want: answer{"", false}},
		"a certificate that cannot be read":           {requests: all(unreadable), want: answer{"", false}},
		"the one on record":                           {record: issued(h.second), want: answer{"csr-2", true}},
		"renewals that are not on record yet":         {record: issued(h.first), requests: all(h.third, h.second, h.first), want: answer{"csr-3", true}},
		"a renewal with an earlier certificate":       {record: issued(h.third), requests: all(h.stale, h.first, h.second, h.third), want: answer{"csr-3", true}},
		"requests that were on record before":         {record: issued(h.third), requests: all(h.first, h.second), want: answer{"csr-3", true}},
		"an API server that names no credentials":     {record: issued(h.first), requests: all(h.first, unnamed), want: answer{"csr-2", true}},
		"two renewals with the last certificate":      {record: issued(h.first), requests: all(h.second, h.stale), want: answer{"csr-4", true}},
		"a record that expired while nobody recorded": {record: issued(h.first), requests: all(h.third), later: 366 * 24 * time.Hour, want: answer{"csr-3", true}},
		"a record that expired and no request":        {record: issued(h.first), later: 366 * 24 * time.Hour, want: answer{"", false}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			task := newNode().Status.Task
			task.Certificate = test.record
			if !test.noToken {
				task.CertificateRequest = "node-csr-1"
			}
			last, known := lastCertificate(task, test.requests, noon.Add(4*time.Hour+test.later))
			got := answer{Known: known}
			if last != nil {
				got.Last = last.Request
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("last certificate (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyTheLastCertificateIsRenewed(t *testing.T) {
	h := newHistory(t)
	of := func(a *testRequest, by *certificatesv1.CertificateSigningRequest) *testRequest {
		a.node.Status.Task.Certificate = issued(h.third)
		return a.madeWith(by).at(noon.Add(5 * time.Hour))
	}
	tests := map[string]struct {
		request *testRequest
		want    string
	}{
		"a renewal with the last one":                     {of(newRenewal(), h.third), v1alpha1.ReasonMatchesRecord},
		"a renewal with the one before":                   {of(newRenewal(), h.second), v1alpha1.ReasonCertificateSuperseded},
		"a serving certificate with the last one":         {of(newServingRequest(), h.third), v1alpha1.ReasonMatchesRecord},
		"a serving certificate with the first one":        {of(newServingRequest(), h.first), v1alpha1.ReasonCertificateSuperseded},
		"an API server that does not name the credential": {of(newRenewal(), h.first), v1alpha1.ReasonMatchesRecord},
	}
	tests["an API server that does not name the credential"].request.csr.Spec.Extra = nil
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			csr := test.request.signed(t)
			o := newFixture(t, csr, test.request.node)
			o.now = noon.Add(6 * time.Hour)
			o.reconcile(csr)
			kind := "Approved "
			if test.want != v1alpha1.ReasonMatchesRecord {
				kind = "Denied "
			}
			if diff := cmp.Diff([]string{kind + test.want}, o.conditions(csr.Name)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARequestIsNotDeniedForACertificateOfAMomentAgo(t *testing.T) {
	h := newHistory(t)
	a := newServingRequest().madeWith(h.second).at(noon.Add(5 * time.Hour))
	a.node.Status.Task.Certificate = issued(h.first)
	csr := a.signed(t)
	o := newFixture(t, csr, a.node)
	o.now = noon.Add(5*time.Hour + time.Second)
	if again := o.reconcile(csr); again != issueGrace-time.Second {
		t.Errorf("looked at again after %s, want %s", again, issueGrace-time.Second)
	}
	if err := o.Client.Create(context.Background(), h.second); err != nil { // the cache catches up
		t.Fatal(err)
	}
	o.now = o.now.Add(issueGrace)
	o.reconcile(csr)
	if diff := cmp.Diff([]string{"Approved " + v1alpha1.ReasonMatchesRecord}, o.conditions(csr.Name)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func TestIssuedCertificatesAreRecorded(t *testing.T) {
	h := newHistory(t)
	tests := map[string]struct {
		record  *v1alpha1.TaskCertificate
		others  []*certificatesv1.CertificateSigningRequest
		of      *certificatesv1.CertificateSigningRequest
		want    *v1alpha1.TaskCertificate
		reports bool
	}{
		"the first":                         {of: h.first, want: issued(h.first)},
		"a renewal":                         {of: h.second, record: issued(h.first), want: issued(h.second)},
		"the same again":                    {of: h.second, record: issued(h.second), want: issued(h.second)},
		"an older one, after a restart":     {of: h.first, record: issued(h.third), want: issued(h.third)},
		"a later one first":                 {of: h.third, record: issued(h.first), others: []*certificatesv1.CertificateSigningRequest{h.second}, want: issued(h.third)},
		"one that another approver let out": {of: h.stale, record: issued(h.third), want: issued(h.third), reports: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			node := newNode()
			node.Status.Task.CertificateRequest = "node-csr-1"
			node.Status.Task.Certificate = test.record
			objects := []client.Object{test.of, node}
			for _, csr := range test.others {
				objects = append(objects, csr)
			}
			o := newFixture(t, objects...)
			o.now = noon.Add(5 * time.Hour)
			o.reconcile(test.of)
			var got v1alpha1.MesosNode
			o.get(&got, nodeName)
			sameTime := cmp.Comparer(func(a, b metav1.Time) bool { return a.Equal(&b) })
			if diff := cmp.Diff(test.want, got.Status.Task.Certificate, sameTime); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if reported := len(o.recorder.Events) > 0; reported != test.reports {
				t.Errorf("reported: %t, want %t", reported, test.reports)
			}
			if test.reports && !strings.Contains(<-o.recorder.Events, v1alpha1.ReasonCertificateSuperseded) {
				t.Error("the event has another reason")
			}
		})
	}
}

func TestCertificatesOfOthersAreNotRecorded(t *testing.T) {
	first := approved(newFirstRequest().signed(t), noon.Add(time.Minute), true)
	later := newNode() // it is at another attempt
	later.Status.Task.BootstrapTokenID, later.Status.Task.CertificateRequest = "zzz999", ""
	for name, node := range map[string]*v1alpha1.MesosNode{"of an earlier attempt": later, "of a node without a task": {ObjectMeta: metav1.ObjectMeta{Name: nodeName}}} {
		t.Run(name, func(t *testing.T) {
			o := newFixture(t, first, node)
			o.now = noon.Add(time.Hour)
			o.reconcile(first)
			if len(o.log) > 0 {
				t.Errorf("wrote %v", o.log)
			}
		})
	}
}
