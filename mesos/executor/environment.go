package executor

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib/executor/config"

	"github.com/k8sm/k8sm/mesos/libprocess"
)

// Environment is what an agent passes to an executor in environment variables.
type Environment struct {
	Config
	// Sandbox is the executor's folder. The agent removes it some time after the executor's
	// end.
	Sandbox string
	// ContainerID is the ID of the Mesos container, which is also the last part of the path of
	// its cgroup.
	ContainerID string
}

// FromEnvironment reads the variables that an agent sets. The caller sets Workload, Now and
// Log. It returns an error outside of an executor's container.
func FromEnvironment() (Environment, error) {
	c, err := config.FromEnv()
	if err != nil {
		return Environment{}, fmt.Errorf("reading the environment of a Mesos executor (is this its container?): %w", err)
	}
	tlsConfig, err := agentTLS(os.Getenv)
	if err != nil {
		return Environment{}, err
	}
	return Environment{
		Config: Config{
			Identity: Identity{
				FrameworkID: c.FrameworkID,
				ExecutorID:  c.ExecutorID,
				AgentID:     os.Getenv("MESOS_SLAVE_ID"),
			},
			Agent: Endpoint{
				Address: c.AgentEndpoint,
				Token:   os.Getenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"),
				TLS:     tlsConfig,
			},
			Checkpoint:      c.Checkpoint,
			RecoveryTimeout: c.RecoveryTimeout,
			RetryInterval:   min(DefaultRetryInterval, max(c.SubscriptionBackoffMax/2, 0)),
			ShutdownGrace:   c.ExecutorShutdownGracePeriod,
		},
		Sandbox:     c.Sandbox,
		ContainerID: path.Base(c.Directory),
	}, nil
}

// agentTLS returns the configuration for an agent that serves its executors over TLS; nil for
// one that does not. An agent does not pass its own LIBPROCESS_SSL_* on: they have to be set
// again, for executors, in its --executor_environment_variables. They mean the same here as to
// executors that are linked with libprocess.
func agentTLS(env func(string) string) (*tls.Config, error) {
	settings := sslSettings(env)
	if !settings.on("ENABLED") {
		return nil, nil
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: libprocess.CipherSuites(),
		// By default Mesos does not verify certificates.
		InsecureSkipVerify: !settings.on("VERIFY_CERT") && !settings.on("VERIFY_SERVER_CERT"),
	}
	var err error
	if c.RootCAs, err = settings.authorities(); err != nil {
		return nil, err
	}
	if c.Certificates, err = settings.certificates(); err != nil {
		return nil, err
	}
	return c, nil
}

// sslSettings looks up settings of libprocess in the environment.
type sslSettings func(name string) string

// value returns a setting, which has its present name or the old one.
func (s sslSettings) value(name string) string {
	if v := s("LIBPROCESS_SSL_" + name); v != "" {
		return v
	}
	return s("SSL_" + name)
}

func (s sslSettings) on(name string) bool {
	return slices.Contains([]string{"1", "t", "true"}, s.value(name))
}

// authorities returns the authorities that the agent's certificate is verified with; nil for
// the system's.
func (s sslSettings) authorities() (*x509.CertPool, error) {
	var files []string
	if file := s.value("CA_FILE"); file != "" {
		files = append(files, file)
	}
	if dir := s.value("CA_DIR"); dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("reading the agent's authorities: %w", err)
		}
		for _, e := range entries {
			if !e.IsDir() {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	if s.value("CA_FILE") == "" && s.value("CA_DIR") == "" {
		return nil, nil
	}
	pool, found := x509.NewCertPool(), false
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the agent's authorities: %w", err)
		}
		found = pool.AppendCertsFromPEM(pem) || found // a folder may hold other files too
	}
	if !found {
		return nil, fmt.Errorf("reading the agent's authorities: there is no certificate in [%s]", strings.Join(files, ", "))
	}
	return pool, nil
}

// certificates returns the certificate that the executor presents to an agent that asks for
// one. SSL_CERT_FILE without a key is ignored: OpenSSL and Go use that name for authorities.
func (s sslSettings) certificates() ([]tls.Certificate, error) {
	certificate, key := s.value("CERT_FILE"), s.value("KEY_FILE")
	if certificate == "" || key == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate to show to the agent: %w", err)
	}
	return []tls.Certificate{pair}, nil
}
