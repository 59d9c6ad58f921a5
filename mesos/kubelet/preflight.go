package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// preflight finds, before anything is started, what would have kubelet or containerd
// end again and again for a reason that is hard to find in their logs. Another agent,
// or a later time, may do better: none of it is ErrInvalid.
func (n *Node) preflight(ctx context.Context) error {
	return errors.Join(
		checkPort("kubelet", n.launch.Address, n.launch.KubeletPort),
		checkPort("containerd", "127.0.0.1", n.launch.StreamPort),
		checkClock(ctx, n.launch, n.Now),
	)
}

// ownAddress fails where the kubelet would not find its address on any interface, and
// so never register. A stand-in for a kubelet may have any.
func ownAddress(address string) error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("listing own addresses: %w", err)
	}
	wanted, seen := net.ParseIP(address), []string{}
	for _, a := range addresses {
		if own, ok := a.(*net.IPNet); ok {
			if own.IP.Equal(wanted) {
				return nil
			}
			seen = append(seen, own.IP.String())
		}
	}
	return fmt.Errorf("the agent's address %s is on no interface of the executor's network namespace, which has [%s]: the agent needs --ip=<one of its own addresses>, and no isolator that gives containers a network of their own",
		address, strings.Join(seen, ", "))
}

// checkPort fails if somebody listens there already. Port 0 is none.
func checkPort(program, address string, port int) error {
	if port == 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err == nil {
		return l.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d, which Mesos offered for %s, is taken on %s by a process that Mesos does not know: end it, or take the port out of the agent's resources", port, program, address)
	}
	return nil // the address itself is another check's business
}

// clockTolerance is how far the agent's clock may be off: Kubernetes dates the
// certificates that it signs five minutes back.
const clockTolerance = 5 * time.Minute

// checkClock fails where certificates would not be valid yet, or no more. If the API
// server can't be asked, that is not the clock's fault, and may pass.
func checkClock(ctx context.Context, l *nodeapi.LaunchSpec, now func() time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	there, err := askTime(ctx, l)
	if err != nil {
		return nil
	}
	switch off := now().Sub(there).Round(time.Minute); {
	case off > clockTolerance:
		return fmt.Errorf("the agent's clock is %s ahead of the API server's: set it, certificates would not be valid", off)
	case off < -clockTolerance:
		return fmt.Errorf("the agent's clock is %s behind the API server's: set it, certificates would not be valid", -off)
	}
	return nil
}

// askTime returns the API server's time, which it tells with every answer, also with
// that to an anonymous client that it refuses. It is checked that this is the API
// server, but not by our clock: whether that is right is the question.
func askTime(ctx context.Context, l *nodeapi.LaunchSpec) (time.Time, error) {
	server, err := url.Parse(l.APIServer)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(l.CAData)
	client := &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // VerifyConnection does it
			VerifyConnection: func(s tls.ConnectionState) error {
				return verifyAtItsTime(s.PeerCertificates, roots, server.Hostname())
			},
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, strings.TrimSuffix(l.APIServer, "/")+"/livez", nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	defer response.Body.Close()
	return http.ParseTime(response.Header.Get("Date"))
}

// verifyAtItsTime verifies a chain in the middle of the leaf's life.
func verifyAtItsTime(chain []*x509.Certificate, roots *x509.CertPool, host string) error {
	if len(chain) == 0 {
		return errors.New("verifying the API server: no certificate")
	}
	leaf, intermediates := chain[0], x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName: host, Roots: roots, Intermediates: intermediates,
		CurrentTime: leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2),
	})
	return err
}
