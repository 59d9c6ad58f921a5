package identity

import (
	"crypto/x509/pkix"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
)

func TestEvaluate(t *testing.T) {
	type change func(*testRequest)
	approve := Decision{Outcome: Approve, Reason: v1alpha1.ReasonMatchesRecord}
	deny := func(reason string) Decision { return Decision{Outcome: Deny, Reason: reason} }
	tests := map[string]struct {
		of     *testRequest
		change change
		want   Decision
		says   string // part of the message
	}{
		"a first certificate": {
			of: newFirstRequest(), want: approve,
		},
		"a first certificate with an RSA key's usages": {
			of: newFirstRequest(), want: approve,
			change: func(a *testRequest) {
				a.csr.Spec.Usages = append(a.csr.Spec.Usages, certificatesv1.UsageKeyEncipherment)
			},
		},
		"a first certificate whose approval was cut short": {
			of: newFirstRequest(), want: approve,
			change: func(a *testRequest) { a.node.Status.Task.CertificateRequest = a.csr.Name },
		},
		"a first certificate while only the intent is on record": {
			of: newFirstRequest(), want: approve,
			change: func(a *testRequest) { a.node.Status.Task.State = "" },
		},
		"a renewal": {
			of: newRenewal(), want: approve,
		},
		"a renewal while the node is drained": {
			of: newRenewal(), want: approve,
			change: func(a *testRequest) { a.node.DeletionTimestamp = &metav1.Time{Time: noon} },
		},
		"a serving certificate": {
			of: newServingRequest(), want: approve,
		},
		"a serving certificate for the address alone": {
			of: newServingRequest(), want: approve,
			change: func(a *testRequest) { a.certificate.DNSNames = nil },
		},
		"a serving certificate while the agent is cut off": {
			of: newServingRequest(), want: approve,
			change: func(a *testRequest) { a.node.Status.Task.State = "TASK_UNREACHABLE" },
		},

		"a bootstrap token of another system": {
			of:     newFirstRequest(),
			change: func(a *testRequest) { a.csr.Spec.Groups = []string{"system:bootstrappers"} },
		},
		"a node of another system": {
			of:     newRenewal(),
			change: func(a *testRequest) { a.node = nil },
		},
		"a serving certificate for a node of another system": {
			of:     newServingRequest(),
			change: func(a *testRequest) { a.node = nil },
		},
		"a person": {
			of:     newFirstRequest(),
			change: func(a *testRequest) { a.csr.Spec.Username = "jane" },
		},
		"another signer": {
			of:     newFirstRequest(),
			change: func(a *testRequest) { a.csr.Spec.SignerName = certificatesv1.KubeAPIServerClientSignerName },
		},
		"another signer, requested by a node of k8sm": {
			of:     newRenewal(),
			change: func(a *testRequest) { a.csr.Spec.SignerName = "example.com/mesh" },
		},
		"a bootstrap token that requests a serving certificate": {
			of:     newFirstRequest(),
			change: func(a *testRequest) { a.csr.Spec.SignerName = certificatesv1.KubeletServingSignerName },
		},

		"no certificate request at all": {
			of: newRenewal(), want: deny(v1alpha1.ReasonRequestMalformed), says: "not one certificate request",
			change: func(a *testRequest) { a.csr.Spec.Request = []byte("hello") },
		},
		"a certificate request that cannot be parsed": {
			of: newRenewal(), want: deny(v1alpha1.ReasonRequestMalformed), says: "cannot be parsed",
			change: func(a *testRequest) {
				a.csr.Spec.Request = []byte("-----BEGIN CERTIFICATE REQUEST-----\naGVsbG8=\n-----END CERTIFICATE REQUEST-----\n")
			},
		},
		"a name that no MesosNode has": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonRecordNotFound), says: `"system:node:other"`,
			change: func(a *testRequest) { a.certificate.Subject.CommonName = "system:node:other"; a.node = nil },
		},
		"a common name that is not the name of a node": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonRecordNotFound), says: `"admin"`,
			change: func(a *testRequest) { a.certificate.Subject.CommonName = "admin"; a.node = nil },
		},
		"the token of another node": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTokenUnknown),
			change: func(a *testRequest) { a.csr.Spec.Username = "system:bootstrap:zzz999" },
		},
		"a token that was revoked": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTokenUnknown),
			change: func(a *testRequest) { a.node.Status.Task.BootstrapTokenID = "" },
		},
		"a token without ID against a record without one": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTokenUnknown),
			change: func(a *testRequest) {
				a.csr.Spec.Username = "system:bootstrap:"
				a.node.Status.Task.BootstrapTokenID = ""
			},
		},
		"a node that was not launched": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTokenUnknown),
			change: func(a *testRequest) { a.node.Status.Task = nil },
		},
		"a token that was used already": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTokenSpent), says: "node-csr-0",
			change: func(a *testRequest) { a.node.Status.Task.CertificateRequest = "node-csr-0" },
		},
		"a request after the expiry of the token": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTokenExpired), says: "12:15:00 UTC",
			change: func(a *testRequest) {
				a.csr.CreationTimestamp = metav1.NewTime(noon.Add(bootstraptoken.Lifetime + time.Second))
			},
		},
		"a first certificate for a node that is being deleted": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTaskNotLive), says: "being deleted",
			change: func(a *testRequest) { a.node.DeletionTimestamp = &metav1.Time{Time: noon} },
		},
		"a first certificate for a task that has ended": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonTaskNotLive), says: "TASK_FAILED",
			change: func(a *testRequest) { a.node.Status.Task.State = "TASK_FAILED" },
		},
		"a renewal for a task that has ended": {
			of: newRenewal(), want: deny(v1alpha1.ReasonTaskNotLive), says: "TASK_KILLED",
			change: func(a *testRequest) { a.node.Status.Task.State = "TASK_KILLED" },
		},
		"a renewal for a node between two attempts": {
			of: newRenewal(), want: deny(v1alpha1.ReasonTaskNotLive), says: "has no task",
			change: func(a *testRequest) { a.node.Status.Task = nil },
		},
		"a renewal by a user outside the group of nodes": {
			of: newRenewal(), want: deny(v1alpha1.ReasonGroupMismatch),
			change: func(a *testRequest) { a.csr.Spec.Groups = []string{"system:authenticated"} },
		},
		"a renewal in another node's name": {
			of: newRenewal(), want: deny(v1alpha1.ReasonSubjectMismatch), says: `"system:node:other"`,
			change: func(a *testRequest) { a.certificate.Subject.CommonName = "system:node:other" },
		},
		"another organization": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonSubjectMismatch), says: "system:masters",
			change: func(a *testRequest) { a.certificate.Subject.Organization = []string{"system:masters"} },
		},
		"one organization too many": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonSubjectMismatch),
			change: func(a *testRequest) {
				a.certificate.Subject = pkix.Name{CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes", "system:masters"}}
			},
		},
		"no organization": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonSubjectMismatch),
			change: func(a *testRequest) { a.certificate.Subject.Organization = nil },
		},
		"a client certificate with the usage of servers": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonUsagesMismatch), says: "server auth",
			change: func(a *testRequest) { a.csr.Spec.Usages = append(a.csr.Spec.Usages, certificatesv1.UsageServerAuth) },
		},
		"a client certificate without the usage digital signature": {
			of: newRenewal(), want: deny(v1alpha1.ReasonUsagesMismatch),
			change: func(a *testRequest) { a.csr.Spec.Usages = []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth} },
		},
		"a serving certificate with the usage of clients": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonUsagesMismatch), says: "client auth",
			change: func(a *testRequest) { a.csr.Spec.Usages = append(a.csr.Spec.Usages, certificatesv1.UsageClientAuth) },
		},
		"a serving certificate with the usage cert sign": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonUsagesMismatch), says: "cert sign",
			change: func(a *testRequest) { a.csr.Spec.Usages = append(a.csr.Spec.Usages, certificatesv1.UsageCertSign) },
		},
		"a client certificate with a DNS name": {
			of: newFirstRequest(), want: deny(v1alpha1.ReasonAlternativeNamesMismatch),
			change: func(a *testRequest) { a.certificate.DNSNames = []string{nodeName} },
		},
		"a client certificate with an IP address": {
			of: newRenewal(), want: deny(v1alpha1.ReasonAlternativeNamesMismatch),
			change: func(a *testRequest) { a.certificate.IPAddresses = []net.IP{net.ParseIP(agentAddress)} },
		},
		"a serving certificate for another name": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonAlternativeNamesMismatch), says: "kubernetes.default.svc",
			change: func(a *testRequest) { a.certificate.DNSNames = []string{nodeName, "kubernetes.default.svc"} },
		},
		"a serving certificate for another address": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonAlternativeNamesMismatch), says: "10.96.0.1",
			change: func(a *testRequest) {
				a.certificate.IPAddresses = []net.IP{net.ParseIP(agentAddress), net.ParseIP("10.96.0.1")}
			},
		},
		"a serving certificate without names and addresses": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonAlternativeNamesMismatch), says: "needs a name or an address",
			change: func(a *testRequest) { a.certificate.DNSNames, a.certificate.IPAddresses = nil, nil },
		},
		"a serving certificate with an e-mail address": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonAlternativeNamesMismatch),
			change: func(a *testRequest) { a.certificate.EmailAddresses = []string{"me@example.com"} },
		},
		"a serving certificate with a URI": {
			of: newServingRequest(), want: deny(v1alpha1.ReasonAlternativeNamesMismatch),
			change: func(a *testRequest) { a.certificate.URIs = []*url.URL{{Scheme: "spiffe", Host: "example"}} },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.change != nil {
				test.change(test.of)
			}
			got := Evaluate(Request{CSR: test.of.signed(t), Node: test.of.node})
			if (got.Message == "") != (got.Outcome == Ignore) || !strings.Contains(got.Message, test.says) {
				t.Errorf("the message is %q, want one with %q", got.Message, test.says)
			}
			got.Message = ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARequestSignedWithAnotherKeyIsDenied(t *testing.T) {
	a := newRenewal()
	csr := a.signed(t)
	// Change one character of the common name under the signature.
	forged := strings.Replace(string(decode(t, csr)), nodeName, strings.Replace(nodeName, "x", "y", 1), 1)
	csr.Spec.Request = encode([]byte(forged))
	if got := Evaluate(Request{CSR: csr, Node: a.node}); got.Reason != v1alpha1.ReasonRequestMalformed {
		t.Errorf("got %+v, want a denial for %s", got, v1alpha1.ReasonRequestMalformed)
	}
}

func TestNodeNameOf(t *testing.T) {
	tests := map[string]struct {
		of     *testRequest
		change func(*testRequest)
		want   string
	}{
		"the name comes from the request if the user is a bootstrap token": {of: newFirstRequest(), want: nodeName},
		"the name comes from the user if it is a node":                     {of: newServingRequest(), want: nodeName},
		"the name in the request of a node is ignored": {
			of: newRenewal(), want: nodeName,
			change: func(a *testRequest) { a.certificate.Subject.CommonName = "system:node:other" },
		},
		"a person has no node name": {
			of:     newFirstRequest(),
			change: func(a *testRequest) { a.csr.Spec.Username = "jane" },
		},
		"a common name without the prefix of nodes has no node name": {
			of:     newFirstRequest(),
			change: func(a *testRequest) { a.certificate.Subject.CommonName = "admin" },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.change != nil {
				test.change(test.of)
			}
			if got := NodeNameOf(test.of.signed(t)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
