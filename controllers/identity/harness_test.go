package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// noon is the time at which the intent to launch was written.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	nodeName     = "general-x7k2p"
	tokenID      = "abc123"
	agentAddress = "10.1.2.3"
)

// key signs all requests of a test run: making one takes longer than all tests.
var key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)

// certificateKey signs all certificates. Ed25519 signatures are deterministic: equal arguments
// give equal certificates.
var certificateKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// testRequest is the request of a kubelet, which a test changes and then signs.
type testRequest struct {
	certificate x509.CertificateRequest
	csr         certificatesv1.CertificateSigningRequest
	node        *v1alpha1.MesosNode
}

// newFirstRequest returns a valid first request of a kubelet.
func newFirstRequest() *testRequest {
	a := &testRequest{node: newNode()}
	a.certificate.Subject = pkix.Name{CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}}
	a.csr.Name = "node-csr-1"
	a.csr.CreationTimestamp = metav1.NewTime(noon.Add(time.Minute))
	a.csr.Spec = certificatesv1.CertificateSigningRequestSpec{
		SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
		Username:   "system:bootstrap:" + tokenID,
		Groups:     []string{"system:bootstrappers", v1alpha1.BootstrapGroup, "system:authenticated"},
		Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
	}
	return a
}

// newRenewal returns the request of a kubelet whose certificate expires soon.
func newRenewal() *testRequest {
	a := newFirstRequest()
	a.csr.Name = "csr-renewal"
	a.csr.CreationTimestamp = metav1.NewTime(noon.Add(300 * 24 * time.Hour))
	a.csr.Spec.Username = "system:node:" + nodeName
	a.csr.Spec.Groups = []string{"system:nodes", "system:authenticated"}
	a.node.Status.Task.BootstrapTokenID = ""
	a.node.Status.Task.CertificateRequest = "node-csr-1"
	return a
}

// newServingRequest returns the request of a kubelet that needs a certificate for its own API.
func newServingRequest() *testRequest {
	a := newRenewal()
	a.csr.Name = "csr-serving"
	a.csr.Spec.SignerName = certificatesv1.KubeletServingSignerName
	a.csr.Spec.Usages = []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth}
	a.certificate.DNSNames = []string{nodeName}
	a.certificate.IPAddresses = []net.IP{net.ParseIP(agentAddress)}
	return a
}

func newNode() *v1alpha1.MesosNode {
	return &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Finalizers: []string{v1alpha1.FinalizerRelease}},
		Status: v1alpha1.MesosNodeStatus{
			Attempt: 1,
			Task: &v1alpha1.MesosTask{
				ID: nodeName + ".0f1e2d3c.1", AgentID: "S1", AgentHostname: "agent-1.example", AgentAddress: agentAddress,
				BootstrapTokenID: tokenID, State: "TASK_STARTING", IntentTime: metav1.NewTime(noon),
			},
		},
	}
}

// signed returns the request as the API server stores it.
func (a *testRequest) signed(t *testing.T) *certificatesv1.CertificateSigningRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &a.certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := a.csr.DeepCopy()
	if csr.Spec.Request == nil {
		csr.Spec.Request = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	}
	return csr
}

func approved(csr *certificatesv1.CertificateSigningRequest, at time.Time, issued bool) *certificatesv1.CertificateSigningRequest {
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, LastUpdateTime: metav1.NewTime(at),
	})
	if issued {
		csr.Status.Certificate = newCertificate(csr.Name, at.Add(365*24*time.Hour))
	}
	return csr
}

// newCertificate returns a certificate in PEM, which differs from those with other names.
func newCertificate(name string, expiry time.Time) []byte {
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes([]byte(name)), Subject: pkix.Name{CommonName: "system:node:" + nodeName},
		NotBefore: noon, NotAfter: expiry,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, certificateKey.Public(), certificateKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// madeWith says that the request was made with the certificate that was issued for another.
func (a *testRequest) madeWith(issued *certificatesv1.CertificateSigningRequest) *testRequest {
	a.csr.Spec.Extra = map[string]certificatesv1.ExtraValue{credentialIDKey: {issuedCertificate(issued).CredentialID}}
	return a
}

// at sets the time of the request.
func (a *testRequest) at(when time.Time) *testRequest {
	a.csr.CreationTimestamp = metav1.NewTime(when)
	return a
}

// named sets the name of the request.
func (a *testRequest) named(name string) *testRequest {
	a.csr.Name = name
	return a
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}
