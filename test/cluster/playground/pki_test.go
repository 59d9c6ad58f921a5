package playground

import (
	"bytes"
	"crypto/x509"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
)

func testDir(t *testing.T) *runDir {
	t.Helper()
	dir := &runDir{path: t.TempDir()}
	for _, sub := range []string{"pki", "logs", "tmp"} {
		if err := os.Mkdir(dir.file(sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAuthorityIssuesWhatItsOwnCertificateVerifies(t *testing.T) {
	now := time.Now()
	dir := testDir(t)
	ca, err := newAuthority(dir, "ca", now)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(ca.certFile)
	if err != nil {
		t.Fatal(err)
	}
	if count := bytes.Count(file, []byte("BEGIN CERTIFICATE")); count != 1 {
		t.Errorf("the authority's file holds %d certificates, want exactly one", count)
	}
	issued, err := ca.issue(subject{file: "server", name: "server", groups: []string{"group"}, hosts: []string{"10.180.0.1", "kubernetes"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	certificate := parse(t, issued.certPEM)
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	for _, host := range []string{"10.180.0.1", "kubernetes"} {
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now}); err != nil {
			t.Errorf("verifying for %s: %v", host, err)
		}
	}
	if certificate.Subject.CommonName != "server" || certificate.Subject.Organization[0] != "group" {
		t.Errorf("issued to %v", certificate.Subject)
	}
}

func parse(t *testing.T, certPEM []byte) *x509.Certificate {
	t.Helper()
	dir := testDir(t)
	kubeconfig, err := writeKubeconfig(dir, "x.kubeconfig", "https://10.180.0.1:6443", certPEM, login{token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if config.BearerToken != "secret" || config.Host != "https://10.180.0.1:6443" {
		t.Errorf("the kubeconfig says token %q and host %q", config.BearerToken, config.Host)
	}
	certificates, err := cert.ParseCertsPEM(config.CAData)
	if err != nil || len(certificates) != 1 {
		t.Fatalf("parsing certificate: %v", err)
	}
	return certificates[0]
}
