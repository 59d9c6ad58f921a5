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

// Environment is what an agent tells an executor through environment variables.
type Environment struct {
	Config
	// Sandbox is the executor's own folder, removed by the agent some time after its end.
	Sandbox string
	// ContainerID is the Mesos container's, and the last part of its cgroup.
	ContainerID string
}

// FromEnvironment reads the variables that an agent sets. Workload, Now and Log are
// left to the caller.
func FromEnvironment() (Environment, error) {
	c, err := config.FromEnv()
	if err != nil {
		return Environment{}, fmt.Errorf("reading what the Mesos agent says, is this an executor's container? %w", err)
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
			Retry:           min(DefaultRetry, max(c.SubscriptionBackoffMax/2, 0)),
			ShutdownGrace:   c.ExecutorShutdownGracePeriod,
		},
		Sandbox:     c.Sandbox,
		ContainerID: path.Base(c.Directory),
	}, nil
}

// agentTLS is set where the agent serves its executors over TLS. The agent does not hand
// its own LIBPROCESS_SSL_* down: whoever runs it says them a second time, for
// executors, in its --executor_environment_variables. They mean here what they mean to
// executors that are linked with libprocess.
func agentTLS(env func(string) string) (*tls.Config, error) {
	settings := sslSettings(env)
	if !settings.on("ENABLED") {
		return nil, nil
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: libprocess.CipherSuites(),
		// Mesos checks certificates only where it is told to.
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

// sslSettings looks up the environment.
type sslSettings func(name string) string

// value of a setting, under its name of today or that of old.
func (s sslSettings) value(name string) string {
	if v := s("LIBPROCESS_SSL_" + name); v != "" {
		return v
	}
	return s("SSL_" + name)
}

func (s sslSettings) on(name string) bool {
	return slices.Contains([]string{"1", "t", "true"}, s.value(name))
}

// authorities that the agent is checked against, nil for the system's.
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

// certificates that the executor shows to an agent that asks for one. A lone
// SSL_CERT_FILE is none: to OpenSSL, and to Go, that name means authorities.
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
