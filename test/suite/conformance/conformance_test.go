package conformance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/test/suite/conformance"
)

// standIn starts a cluster with short intervals.
func standIn(t *testing.T, credentials map[string]string, listener net.Listener) (*mesostest.Master, conformance.Options) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("the shell executor needs bash")
	}
	master, options, err := conformance.StandIn(credentials, listener)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := master.Close(); err != nil {
			t.Error(err)
		}
	})
	options.Disruptive = true
	return master, options
}

func runChecks(ctx context.Context, t *testing.T, o conformance.Options, report func(conformance.Result)) *conformance.Report {
	t.Helper()
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	result, err := conformance.Run(ctx, o, report)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// skippedChecks returns the names of the skipped checks.
func skippedChecks(r *conformance.Report) []string { return checksWith(r, conformance.Skip) }

func checksWith(r *conformance.Report, verdict conformance.Verdict) []string {
	var names []string
	for _, res := range r.Results {
		if res.Verdict == verdict {
			names = append(names, res.Name)
		}
	}
	return names
}

func mustPass(t *testing.T) func(conformance.Result) {
	return func(r conformance.Result) {
		if r.Verdict == conformance.Fail {
			t.Errorf("%s failed: %s", r.Name, r.Seen)
		}
	}
}

func TestMesostestConforms(t *testing.T) {
	_, options := standIn(t, nil, nil)
	report := runChecks(t.Context(), t, options, mustPass(t))
	if len(report.Left) > 0 {
		t.Errorf("left behind: %q", report.Left)
	}
	want := []string{"master/redirect", "master/unauthenticated", "subscribe/other-principal", "secrets/agent"}
	if diff := cmp.Diff(want, skippedChecks(report)); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	// It authenticates nobody.
	want = []string{"access/frameworks", "access/operators", "access/executors"}
	if diff := cmp.Diff(want, checksWith(report, conformance.Warn)); diff != "" || !report.OK() {
		t.Errorf("warned (-want +got):\n%s", diff)
	}
}

func TestMesostestConformsWithTLSCredentialsAndRedirect(t *testing.T) {
	credentials := map[string]string{"someone": "secret"}
	listener, authorities := listenTLS(t)
	leader, options := standIn(t, credentials, listener)
	listener, _ = listenTLS(t)
	other, err := mesostest.NewMaster(mesostest.MasterOptions{
		Credentials: credentials, Listener: listener, Faults: mesostest.Faults{RedirectTo: leader.Addr()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	options.Masters = []string{"https://" + other.Addr(), "https://" + leader.Addr()}
	options.Principal, options.Secret = "someone", "secret"
	options.TLS = &tls.Config{RootCAs: authorities}
	report := runChecks(t.Context(), t, options, mustPass(t))
	// The stand-in's agents have no TLS.
	want := []string{"access/executors", "executors/unknown", "secrets/agent"}
	if diff := cmp.Diff(want, skippedChecks(report)); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}

func listenTLS(t *testing.T) (net.Listener, *x509.CertPool) {
	t.Helper()
	certSource := httptest.NewTLSServer(nil) // its certificate is valid for 127.0.0.1
	defer certSource.Close()
	pool := x509.NewCertPool()
	pool.AddCert(certSource.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certSource.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	return l, pool
}

func TestInterruptedRunCleansUp(t *testing.T) {
	master, options := standIn(t, nil, nil)
	options.Only = regexp.MustCompile("^(reconciliation|executors)/")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	// The interruption comes while the next check runs.
	report := runChecks(ctx, t, options, func(r conformance.Result) {
		if r.Name == "reconciliation/implicit" {
			time.AfterFunc(20*time.Millisecond, interrupt)
		}
	})
	if len(report.Left) > 0 {
		t.Errorf("left behind: %q", report.Left)
	}
	if report.Count(conformance.Skip) == 0 {
		t.Error("nothing was interrupted")
	}
	waitFor(t, "the end of all containers", func() bool {
		return !slices.ContainsFunc(master.Agents(), func(a *mesostest.Agent) bool { return a.Containers() > 0 })
	})
}

func TestReportNamesFrameworksThatCannotBeTornDown(t *testing.T) {
	master, options := standIn(t, nil, nil)
	options.Patience = time.Second
	options.Only = regexp.MustCompile("^subscribe/stream$")
	options.Masters = []string{dropCalls("TEARDOWN").start(t, master.URL())}
	report := runChecks(t.Context(), t, options, mustPass(t))
	if len(report.Left) != 1 || report.OK() {
		t.Errorf("the report is OK: %t, and lists as left: %q", report.OK(), report.Left)
	}
}

func TestRunRefusesUnusableMasters(t *testing.T) {
	for name, masters := range map[string][]string{
		"an empty list is refused":                  nil,
		"an address without a port is refused":      {"http://mesos.example"},
		"an address of ZooKeeper is refused":        {"zk://mesos.example:2181/mesos"},
		"an address without a listener is an error": {"127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := conformance.Run(t.Context(), conformance.Options{Masters: masters, Patience: time.Second}, func(conformance.Result) {})
			if err == nil {
				t.Error("Run returned no error")
			}
		})
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 500 {
		if done() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("waited too long for %s", what)
}
