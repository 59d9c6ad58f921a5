package executor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// recorded is what a real agent 1.11.1 gave an executor.
var recorded = map[string]string{
	"MESOS_AGENT_ENDPOINT":                 "127.0.0.11:5051",
	"MESOS_CHECKPOINT":                     "1",
	"MESOS_DIRECTORY":                      "/var/lib/mesos-1/slaves/S0/frameworks/F0/executors/e1/runs/9111c558-a65e-4cc7-ad2b-3e8740213946",
	"MESOS_EXECUTOR_ID":                    "e1",
	"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
	"MESOS_FRAMEWORK_ID":                   "F0",
	"MESOS_RECOVERY_TIMEOUT":               "15mins",
	"MESOS_SANDBOX":                        "/var/lib/mesos-1/slaves/S0/frameworks/F0/executors/e1/runs/9111c558-a65e-4cc7-ad2b-3e8740213946",
	"MESOS_SLAVE_ID":                       "S0",
	"MESOS_SUBSCRIPTION_BACKOFF_MAX":       "2secs",
}

func TestEnvironmentOfARealAgent(t *testing.T) {
	for name, value := range recorded {
		t.Setenv(name, value)
	}
	t.Setenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "jwt")
	got, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	want := Environment{
		Config: Config{
			Identity:   Identity{FrameworkID: "F0", ExecutorID: "e1", AgentID: "S0"},
			Agent:      Endpoint{Address: "127.0.0.11:5051", Token: "jwt"},
			Checkpoint: true, RecoveryTimeout: 15 * time.Minute, RetryInterval: 500 * time.Millisecond, ShutdownGrace: 5 * time.Second,
		},
		Sandbox:     recorded["MESOS_SANDBOX"],
		ContainerID: "9111c558-a65e-4cc7-ad2b-3e8740213946",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Log")); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestEnvironmentOutsideOfMesosIsAnError(t *testing.T) {
	for name := range recorded {
		t.Setenv(name, "")
	}
	if _, err := FromEnvironment(); err == nil {
		t.Error("no error")
	}
}

func TestTLSUsesTheAgentsSettings(t *testing.T) {
	tests := map[string]struct {
		env            map[string]string
		enabled, check bool
	}{
		"plain":                            {},
		"TLS without verification":         {env: map[string]string{"LIBPROCESS_SSL_ENABLED": "1"}, enabled: true},
		"TLS with verification of servers": {env: map[string]string{"LIBPROCESS_SSL_ENABLED": "true", "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "true"}, enabled: true, check: true},
		"TLS under old names":              {env: map[string]string{"SSL_ENABLED": "true", "SSL_VERIFY_CERT": "1"}, enabled: true, check: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := agentTLS(lookup(tc.env))
			if err != nil {
				t.Fatal(err)
			}
			if (c != nil) != tc.enabled || c != nil && c.InsecureSkipVerify == tc.check {
				t.Errorf("TLS configuration is %+v", c)
			}
		})
	}
}

// The default cipher suites of libprocess.
func TestTLSOfAnAgentWithDefaults(t *testing.T) {
	agent := httptest.NewUnstartedServer(http.NotFoundHandler())
	agent.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	agent.StartTLS()
	defer agent.Close()
	c, err := agentTLS(lookup(map[string]string{"LIBPROCESS_SSL_ENABLED": "true"}))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", agent.Listener.Addr().String(), c)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// pemFiles are a key, its own certificate, and a folder with that beside other things.
func pemFiles(t *testing.T) (certificate, key, dir string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	keyDER, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "authorities")
	certificate, key = filepath.Join(dir, "0a1b2c3d.0"), filepath.Join(filepath.Dir(dir), "key.pem")
	certificatePEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	err = errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(filepath.Join(dir, "old"), 0o755),
		os.WriteFile(filepath.Join(dir, "README"), []byte("none"), 0o600),
		os.WriteFile(certificate, certificatePEM, 0o600), os.WriteFile(key, keyPEM, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key, dir
}

func TestTLSMaterial(t *testing.T) {
	certificate, key, dir := pemFiles(t)
	empty := t.TempDir()
	tests := map[string]struct {
		env          map[string]string
		authorities  bool
		certificates int
		err          string
	}{
		"only SSL_ENABLED":                  {},
		"an authority":                      {env: map[string]string{"LIBPROCESS_SSL_CA_FILE": certificate}, authorities: true},
		"an authority under the old name":   {env: map[string]string{"SSL_CA_FILE": certificate}, authorities: true},
		"authorities in a folder":           {env: map[string]string{"LIBPROCESS_SSL_CA_DIR": dir}, authorities: true},
		"a certificate":                     {env: map[string]string{"LIBPROCESS_SSL_CERT_FILE": certificate, "LIBPROCESS_SSL_KEY_FILE": key}, certificates: 1},
		"a certificate under the old names": {env: map[string]string{"SSL_CERT_FILE": certificate, "SSL_KEY_FILE": key}, certificates: 1},
		"the variables of OpenSSL are not read as Mesos' old names": {env: map[string]string{"SSL_CERT_FILE": certificate}},
		"no authority in the file":                                  {env: map[string]string{"LIBPROCESS_SSL_CA_FILE": key}, err: "no certificate in"},
		"no authority in the folder":                                {env: map[string]string{"LIBPROCESS_SSL_CA_DIR": empty}, err: "no certificate in"},
		"no such folder":                                            {env: map[string]string{"LIBPROCESS_SSL_CA_DIR": dir + "x"}, err: "authorities"},
		"no such certificate":                                       {env: map[string]string{"LIBPROCESS_SSL_CERT_FILE": certificate + "x", "LIBPROCESS_SSL_KEY_FILE": key}, err: "certificate to show"},
		"a certificate that is not the keys":                        {env: map[string]string{"LIBPROCESS_SSL_CERT_FILE": key, "LIBPROCESS_SSL_KEY_FILE": key}, err: "certificate to show"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"LIBPROCESS_SSL_ENABLED": "true"}
			maps.Copy(env, tc.env)
			c, err := agentTLS(lookup(env))
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error is %v, want one about %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (c.RootCAs != nil) != tc.authorities || len(c.Certificates) != tc.certificates {
				t.Errorf("authorities %v, %d certificates", c.RootCAs, len(c.Certificates))
			}
		})
	}
}

func lookup(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}
