package executor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"github.com/mesos/mesos-go/api/v1/lib/executor/config"
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

// agentTLS is set where the agent serves its executors over TLS. It hands its own
// settings down to them.
func agentTLS(env func(string) string) (*tls.Config, error) {
	on := func(name string) bool {
		return slices.Contains([]string{"1", "t", "true"}, env("LIBPROCESS_SSL_"+name)) ||
			slices.Contains([]string{"1", "t", "true"}, env("SSL_"+name))
	}
	if !on("ENABLED") {
		return nil, nil
	}
	// Mesos checks certificates only where it is told to.
	c := &tls.Config{InsecureSkipVerify: !on("VERIFY_CERT") && !on("VERIFY_SERVER_CERT")}
	if file := env("LIBPROCESS_SSL_CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the agent's authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("reading the agent's authority: no certificate in " + file)
		}
	}
	return c, nil
}
