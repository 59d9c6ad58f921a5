// Command conformance checks a Mesos cluster for every property that k8sm relies on, and
// reports check by check. Without -masters it checks mesostest, k8sm's own stand-in.
// `make conformance` runs it; docs/conformance.md describes its effects on the cluster.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/k8sm/k8sm/test/suite/conformance"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// arguments are the flags of the command line.
type arguments struct {
	masters, agents, credentials, ca, checks string
	json                                     bool
	options                                  conformance.Options
}

func main() {
	var a arguments
	flag.StringVar(&a.masters, "masters", "", "host:port, http://host:port or https://host:port of the masters, comma-separated; empty for the stand-in")
	flag.StringVar(&a.agents, "agents", "", "addresses of agents that cannot be reached at the address that the master returns: hostname=host:port, comma-separated")
	flag.StringVar(&a.credentials, "credentials", "", "`file` that holds a principal and its secret, with a blank between")
	flag.StringVar(&a.ca, "ca", "", "`file` of the authorities of https:// masters, in PEM")
	flag.StringVar(&a.checks, "checks", "", "run only the checks whose names match this regular expression")
	flag.BoolVar(&a.json, "json", false, "write the whole report as JSON at the end, and nothing else")
	flag.StringVar(&a.options.Role, "role", "", "role to get offers in (default k8sm-conformance)")
	flag.StringVar(&a.options.User, "user", "", "user that tasks run as on the agents (default root)")
	flag.DurationVar(&a.options.Patience, "patience", 0, "maximum time to wait for an expected event (default 30s)")
	flag.DurationVar(&a.options.Quiet, "quiet", 0, "time without an event after which a check concludes that none comes; several times the master's allocation interval (default 5s)")
	flag.BoolVar(&a.options.Disruptive, "disruptive", false, "also drain an agent that has no tasks, and schedule maintenance for it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, a)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, a arguments) int {
	options, err := a.read()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return exitUsage
	}
	if len(options.Masters) == 0 {
		master, own, err := conformance.StandIn(nil, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, "conformance: starting the stand-in:", err)
			return exitFailed
		}
		defer master.Close()
		options.Masters, options.Agents = own.Masters, own.Agents
		if options.Quiet == 0 {
			options.Quiet = own.Quiet
		}
	}
	ok, err := report(ctx, options, a.json, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if err != nil || !ok {
		return exitFailed
	}
	return 0
}

// report runs the checks and writes each result as soon as it is known.
func report(ctx context.Context, o conformance.Options, asJSON bool, w io.Writer) (ok bool, err error) {
	r, err := conformance.Run(ctx, o, func(res conformance.Result) {
		if !asJSON {
			_ = conformance.WriteResult(w, res) // WriteSummary returns the error of the writer
		}
	})
	switch {
	case err != nil:
		return false, err
	case asJSON:
		return r.OK(), r.WriteJSON(w)
	}
	return r.OK() && ctx.Err() == nil, r.WriteSummary(w)
}

// read converts the arguments to options.
func (a arguments) read() (o conformance.Options, err error) {
	o = a.options
	o.Masters = split(a.masters)
	o.Agents = map[string]string{}
	for _, pair := range split(a.agents) {
		hostname, address, found := strings.Cut(pair, "=")
		if !found {
			return o, fmt.Errorf("reading -agents: %q is not hostname=host:port", pair)
		}
		o.Agents[hostname] = address
	}
	if a.checks != "" {
		if o.Only, err = regexp.Compile(a.checks); err != nil {
			return o, fmt.Errorf("reading -checks: %w", err)
		}
	}
	if a.credentials != "" {
		if o.Principal, o.Secret, err = readCredentials(a.credentials); err != nil {
			return o, fmt.Errorf("reading -credentials: %w", err)
		}
	}
	if a.ca != "" {
		if o.TLS, err = readAuthorities(a.ca); err != nil {
			return o, fmt.Errorf("reading -ca: %w", err)
		}
	}
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// readCredentials reads credentials in Mesos' text format: a principal, a blank, a secret.
func readCredentials(file string) (principal, secret string, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(string(content))
	if len(fields) != 2 {
		return "", "", errors.New("the file must contain a principal and a secret, and nothing else")
	}
	return fields[0], fields[1], nil
}

func readAuthorities(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in it")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
