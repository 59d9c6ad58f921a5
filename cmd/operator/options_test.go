package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

func parsed(t *testing.T, arguments ...string) (options, error) {
	t.Helper()
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return parse(flags, arguments)
}

func TestDefaults(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "")
	o, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	m := o.managerOptions(&rest.Config{})
	if o.namespace != "k8sm-system" || !m.LeaderElection || !m.LeaderElectionReleaseOnCancel ||
		m.LeaderElectionNamespace != "k8sm-system" || m.LeaderElectionID != "k8sm-operator" || *m.LeaseDuration != 15*time.Second {
		t.Errorf("namespace %q, manager %+v", o.namespace, m)
	}
}

func TestNamespaceDefaultsToThatOfThePod(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "from-pod")
	if o, err := parsed(t); err != nil || o.namespace != "from-pod" {
		t.Errorf("got %q, %v", o.namespace, err)
	}
	for _, name := range []string{"--namespace=from-flag", "--leader-election-namespace=from-flag"} {
		if o, err := parsed(t, name); err != nil || o.namespace != "from-flag" {
			t.Errorf("%s: got %q, %v", name, o.namespace, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for argument, want := range map[string]string{
		"--node-api-server=kubernetes:6443":   "is not an https URL",
		"--node-api-server=http://k8s:8080":   "is not an https URL",
		"--node-api-server=https://":          "is not an https URL",
		"--node-state-dir=var/lib":            "is not a clean absolute path",
		"--node-state-dir=/":                  "is not a clean absolute path",
		"--node-state-dir=/var/../lib":        "is not a clean absolute path",
		"--cluster-dns=10.0.0.10,dns.example": `"dns.example" is not an IP address`,
		"--cluster-cidr=10.244.0.1":           `"10.244.0.1" is not a range`,
		"--node-deny-cidrs=10.0.0.0/8,zk":     `"zk" is neither a range`,
		"--leader-election-lease-duration=5s": "must be greater than",
		"--metrics-cert-dir=/nowhere":         "must hold tls.crt and tls.key",
		"--no-such-flag":                      "not defined",
		"stray":                               "unexpected arguments: stray",
	} {
		if _, err := parsed(t, argument); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", argument, err, want)
		}
	}
	if _, err := parsed(t, "--help"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: got %v", err)
	}
}

func TestParse(t *testing.T) {
	tests := map[string]struct {
		arguments []string
		got       func(options) any
		want      any
	}{
		"metrics are disabled":        {[]string{"--metrics-bind-address=0"}, func(o options) any { return o.managerOptions(&rest.Config{}).Metrics.BindAddress }, "0"},
		"a health address":            {[]string{"--health-probe-bind-address=:9"}, func(o options) any { return o.managerOptions(&rest.Config{}).HealthProbeBindAddress }, ":9"},
		"leader election is disabled": {[]string{"--leader-elect=false"}, func(o options) any { return o.managerOptions(&rest.Config{}).LeaderElection }, false},
		"the name of the lease":       {[]string{"--leader-election-id=mine"}, func(o options) any { return o.managerOptions(&rest.Config{}).LeaderElectionID }, "mine"},
		"longer lease times": {
			[]string{"--leader-election-lease-duration=1m", "--leader-election-renew-deadline=40s", "--leader-election-retry-period=5s"},
			func(o options) any { return o.leaseTimes }, leaseTimes{time.Minute, 40 * time.Second, 5 * time.Second},
		},
		"addresses of DNS servers":         {[]string{"--cluster-dns= 10.96.0.10 ,,fd00::a"}, func(o options) any { return strings.Join(o.clusterDNS, ",") }, "10.96.0.10,fd00::a"},
		"the last of several lists counts": {[]string{"--cluster-dns=10.0.0.1", "--cluster-dns=10.0.0.2"}, func(o options) any { return strings.Join(o.clusterDNS, ",") }, "10.0.0.2"},
		"the version":                      {[]string{"--version"}, func(o options) any { return o.printVersion }, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := parsed(t, test.arguments...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, test.got(o), cmp.AllowUnexported(leaseTimes{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMetricsAreServedOverTLSUnlessPermittedOtherwise(t *testing.T) {
	o, err := parsed(t)
	if err != nil {
		t.Fatal(err)
	}
	settings := o.metricsOptions(&rest.Config{})
	if !settings.SecureServing || settings.FilterProvider == nil || settings.BindAddress != ":8443" {
		t.Errorf("by default metrics are served as %+v", settings)
	}
	if _, err := settings.FilterProvider(&rest.Config{}, nil); err != nil {
		t.Errorf("making the filter: %v", err)
	}
	config := &tls.Config{}
	for _, apply := range settings.TLSOpts {
		apply(config)
	}
	if slices.Contains(config.NextProtos, "h2") || config.MinVersion < tls.VersionTLS12 {
		t.Errorf("protocols %v, least version %x", config.NextProtos, config.MinVersion)
	}
	if o, err = parsed(t, "--metrics-secure=false"); err != nil {
		t.Fatal(err)
	}
	if settings = o.metricsOptions(&rest.Config{}); settings.SecureServing || settings.FilterProvider != nil {
		t.Errorf("with --metrics-secure=false metrics are served as %+v", settings)
	}
}

func TestMetricsCertificate(t *testing.T) {
	folder := t.TempDir()
	if _, err := parsed(t, "--metrics-cert-dir="+folder); err == nil || !strings.Contains(err.Error(), "tls.crt") {
		t.Errorf("a folder without a certificate: %v", err)
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := parsed(t, "--metrics-cert-dir="+folder); err != nil {
		t.Errorf("a folder with a certificate: %v", err)
	}
	if _, err := parsed(t, "--metrics-cert-dir="+folder, "--metrics-secure=false"); err == nil || !strings.Contains(err.Error(), "no effect") {
		t.Errorf("a certificate without TLS: %v", err)
	}
}

func TestParseReportsEveryProblem(t *testing.T) {
	_, err := parsed(t, "--node-api-server=kubernetes:6443", "--node-state-dir=/", "--leader-election-retry-period=0s", "stray")
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{"--node-api-server", "--node-state-dir", "--leader-election-retry-period", "stray"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in: %v", want, err)
		}
	}
}

func TestEveryFlagHasAHelpText(t *testing.T) {
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	if _, err := parse(flags, nil); err != nil {
		t.Fatal(err)
	}
	flags.VisitAll(func(f *flag.Flag) {
		if f.Usage == "" {
			t.Errorf("--%s has no help text", f.Name)
		}
	})
}

func TestVersionIsPrintedWithoutACluster(t *testing.T) {
	t.Setenv("KUBECONFIG", "/no/such/file")
	if err := run(t.Context(), options{printVersion: true}); err != nil {
		t.Error(err)
	}
}
