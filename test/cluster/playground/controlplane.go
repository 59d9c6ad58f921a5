package playground

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// controlPlane is a Kubernetes cluster without nodes.
type controlPlane struct {
	options Options
	dir     *runDir
	// address that the API server listens on, and nodes reach.
	address   string
	advertise string
	services  string
	serviceIP string
	pods      string

	// ca signs the API server's certificate, clientCA those of its clients and of
	// kubelets: two, as in clusters where it matters which one a program is given.
	ca       *authority
	clientCA *authority
	etcdCA   *authority
	api      int // port
	etcd     int // port
	admin    string
	running  []*process
	saKey    string
	saPublic string
}

// url of the API server, as operator, nodes and people use it.
func (c *controlPlane) url() string { return c.urlAt(c.address) }

func (c *controlPlane) urlAt(address string) string {
	return "https://" + net.JoinHostPort(address, strconv.Itoa(c.api))
}

// start returns when the API server is ready; the others follow.
func (c *controlPlane) start(ctx context.Context, now time.Time) error {
	ports, err := freePorts(c.address, 2)
	if err != nil {
		return err
	}
	c.api, c.etcd = ports[0], ports[1]
	if err := c.issue(now); err != nil {
		return err
	}
	for _, part := range []func(context.Context, time.Time) error{c.startEtcd, c.startAPIServer, c.startControllerManager, c.startScheduler} {
		if err := part(ctx, now); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the parts, in the reverse order of their start.
func (c *controlPlane) stop() {
	for i := len(c.running) - 1; i >= 0; i-- {
		c.running[i].stop(5 * time.Second)
	}
	c.running = nil
}

func (c *controlPlane) issue(now time.Time) (err error) {
	if c.ca, err = newAuthority(c.dir, "ca", now); err != nil {
		return err
	}
	if c.clientCA, err = newAuthority(c.dir, "client-ca", now); err != nil {
		return err
	}
	if c.etcdCA, err = newAuthority(c.dir, "etcd-ca", now); err != nil {
		return err
	}
	if c.saKey, c.saPublic, err = signingKey(c.dir, "service-account"); err != nil {
		return err
	}
	c.admin, err = c.kubeconfig("admin", "admin", []string{"system:masters"}, now)
	return err
}

// kubeconfig writes a kubeconfig with a new client certificate.
func (c *controlPlane) kubeconfig(file, name string, groups []string, now time.Time) (string, error) {
	pair, err := c.clientCA.issue(subject{file: file, name: name, groups: groups}, now)
	if err != nil {
		return "", err
	}
	return c.writeKubeconfig(file, login{pair: pair})
}

func (c *controlPlane) writeKubeconfig(file string, who login) (string, error) {
	ca, err := os.ReadFile(c.ca.certFile)
	if err != nil {
		return "", fmt.Errorf("reading authority's certificate: %w", err)
	}
	return writeKubeconfig(c.dir, file+".kubeconfig", c.url(), ca, who)
}

func (c *controlPlane) run(name string, args ...string) (*process, error) {
	p, err := c.dir.spawn(command{name: name, path: c.options.kube(name), args: args})
	if err == nil {
		c.running = append(c.running, p)
	}
	return p, err
}

// startEtcd starts the database. Only the API server has a client certificate for it.
func (c *controlPlane) startEtcd(ctx context.Context, now time.Time) error {
	server, err := c.etcdCA.issue(subject{file: "etcd", name: "etcd", hosts: []string{"127.0.0.1"}}, now)
	if err != nil {
		return err
	}
	peer, err := freePorts("127.0.0.1", 1)
	if err != nil {
		return err
	}
	clients, peers := fmt.Sprintf("https://127.0.0.1:%d", c.etcd), fmt.Sprintf("http://127.0.0.1:%d", peer[0])
	p, err := c.run("etcd",
		"--name=playground", "--data-dir="+c.dir.file("etcd"), "--unsafe-no-fsync=true",
		"--listen-client-urls="+clients, "--advertise-client-urls="+clients,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=playground="+peers,
		"--cert-file="+server.certFile, "--key-file="+server.keyFile,
		"--client-cert-auth=true", "--trusted-ca-file="+c.etcdCA.certFile,
		"--log-level=warn",
	)
	if err != nil {
		return err
	}
	return p.await(ctx, func(ctx context.Context) error { return dial(ctx, "127.0.0.1", c.etcd) })
}

func (c *controlPlane) startAPIServer(ctx context.Context, now time.Time) error {
	hosts := []string{
		c.address, c.serviceIP, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	if c.options.RemoteHost != nil {
		hosts = append(hosts, c.options.RemoteHost.Loopback)
	}
	server, err := c.ca.issue(subject{file: "apiserver", name: "kube-apiserver", hosts: hosts}, now)
	if err != nil {
		return err
	}
	kubelet, err := c.clientCA.issue(subject{file: "kubelet-client", name: kubeletClient}, now)
	if err != nil {
		return err
	}
	etcd, err := c.etcdCA.issue(subject{file: "etcd-client", name: "kube-apiserver"}, now)
	if err != nil {
		return err
	}
	p, err := c.run("kube-apiserver",
		"--bind-address="+c.address, "--advertise-address="+c.advertise, fmt.Sprintf("--secure-port=%d", c.api),
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", c.etcd),
		"--etcd-cafile="+c.etcdCA.certFile, "--etcd-certfile="+etcd.certFile, "--etcd-keyfile="+etcd.keyFile,
		"--tls-cert-file="+server.certFile, "--tls-private-key-file="+server.keyFile,
		"--client-ca-file="+c.clientCA.certFile,
		"--kubelet-client-certificate="+kubelet.certFile, "--kubelet-client-key="+kubelet.keyFile,
		// The API server checks the certificates that the operator approves.
		"--kubelet-certificate-authority="+c.clientCA.certFile,
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-key-file="+c.saPublic, "--service-account-signing-key-file="+c.saKey,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-cluster-ip-range="+c.services,
		"--enable-bootstrap-token-auth=true",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--anonymous-auth=false", "--allow-privileged=true",
	)
	if err != nil {
		return err
	}
	client, err := c.client(now)
	if err != nil {
		return err
	}
	return p.await(ctx, func(ctx context.Context) error { return ready(ctx, client, c.url()+"/readyz") })
}

func (c *controlPlane) startControllerManager(_ context.Context, now time.Time) error {
	config, err := c.kubeconfig("controller-manager", "system:kube-controller-manager", nil, now)
	if err != nil {
		return err
	}
	ports, err := freePorts("127.0.0.1", 1)
	if err != nil {
		return err
	}
	_, err = c.run("kube-controller-manager",
		"--kubeconfig="+config, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
		"--controllers=*,bootstrap-signer-controller,token-cleaner-controller",
		"--cluster-signing-cert-file="+c.clientCA.certFile, "--cluster-signing-key-file="+c.clientCA.keyFile,
		"--root-ca-file="+c.ca.certFile, "--service-account-private-key-file="+c.saKey,
		"--use-service-account-credentials=true", "--flex-volume-plugin-dir="+c.dir.file("flex"),
		"--allocate-node-cidrs=true", "--cluster-cidr="+c.pods, "--service-cluster-ip-range="+c.services,
		"--leader-elect=false",
	)
	return err
}

func (c *controlPlane) startScheduler(_ context.Context, now time.Time) error {
	config, err := c.kubeconfig("scheduler", "system:kube-scheduler", nil, now)
	if err != nil {
		return err
	}
	ports, err := freePorts("127.0.0.1", 1)
	if err != nil {
		return err
	}
	_, err = c.run("kube-scheduler", "--kubeconfig="+config, "--leader-elect=false",
		"--authentication-kubeconfig="+config, "--authorization-kubeconfig="+config,
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]))
	return err
}

// client that the API server knows as an administrator, for its health endpoint.
func (c *controlPlane) client(now time.Time) (*http.Client, error) {
	who, err := c.clientCA.issue(subject{file: "health", name: "health", groups: []string{"system:masters"}}, now)
	if err != nil {
		return nil, err
	}
	certificate, err := tls.X509KeyPair(who.certPEM, who.keyPEM)
	if err != nil {
		return nil, fmt.Errorf("loading certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.ca.cert)
	return &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}},
	}, nil
}

func ready(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(url + ": " + response.Status)
	}
	return nil
}

func dial(ctx context.Context, address string, port int) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}

// freePorts finds ports that are not in use now.
func freePorts(address string, count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer func() { _ = listener.Close() }()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
