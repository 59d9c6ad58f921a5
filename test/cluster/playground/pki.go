package playground

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// authority signs certificates. Its certificate file holds exactly one: the
// controller manager refuses to sign with more.
type authority struct {
	dir      *runDir
	name     string
	cert     *x509.Certificate
	key      *ecdsa.PrivateKey
	certFile string
	keyFile  string
}

// subject is the identity in a certificate.
type subject struct {
	file   string
	name   string
	groups []string
	hosts  []string
}

// pair is a certificate with its key.
type pair struct {
	certFile, keyFile string
	certPEM, keyPEM   []byte
}

const validity = 7 * 24 * time.Hour

func newAuthority(dir *runDir, name string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making key of %s: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Minute),
		NotAfter:              now.Add(validity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making certificate of %s: %w", name, err)
	}
	a := &authority{dir: dir, name: name, key: key}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("making certificate of %s: %w", name, err)
	}
	p, err := writePair(dir, name, der, key)
	a.certFile, a.keyFile = p.certFile, p.keyFile
	return a, err
}

// issue issues a certificate that is valid for clients and, with hosts, for servers.
func (a *authority) issue(s subject, now time.Time) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, fmt.Errorf("making key of %s: %w", s.name, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return pair{}, fmt.Errorf("making serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: s.name, Organization: s.groups},
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, host := range s.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return pair{}, fmt.Errorf("signing certificate of %s: %w", s.name, err)
	}
	return writePair(a.dir, s.file, der, key)
}

func writePair(dir *runDir, name string, der []byte, key *ecdsa.PrivateKey) (p pair, err error) {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return p, fmt.Errorf("encoding key of %s: %w", name, err)
	}
	p.certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if p.certFile, err = dir.write("pki/"+name+".crt", p.certPEM, 0o644); err != nil {
		return p, err
	}
	p.keyFile, err = dir.write("pki/"+name+".key", p.keyPEM, 0o600)
	return p, err
}

// signingKey makes a key pair without certificate: service account tokens are
// signed with it.
func signingKey(dir *runDir, name string) (keyFile, publicFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("making key of %s: %w", name, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("encoding key of %s: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", "", fmt.Errorf("encoding key of %s: %w", name, err)
	}
	keyFile, err = dir.write("pki/"+name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
	if err != nil {
		return "", "", err
	}
	publicFile, err = dir.write("pki/"+name+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644)
	return keyFile, publicFile, err
}

// login is a client's credential: a certificate or a token.
type login struct {
	pair  pair
	token string
}

// writeKubeconfig writes a kubeconfig with embedded certificates.
func writeKubeconfig(dir *runDir, file, server string, ca []byte, who login) (string, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["playground"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos["user"] = &clientcmdapi.AuthInfo{
		ClientCertificateData: who.pair.certPEM, ClientKeyData: who.pair.keyPEM, Token: who.token,
	}
	config.Contexts["playground"] = &clientcmdapi.Context{Cluster: "playground", AuthInfo: "user"}
	config.CurrentContext = "playground"
	data, err := clientcmd.Write(*config)
	if err != nil {
		return "", fmt.Errorf("encoding kubeconfig: %w", err)
	}
	return dir.write(file, data, 0o600)
}
