// Command playground shows k8sm at work on one machine: `playground demo` runs all steps of the
// demo and ends, `playground up` builds the cluster and leaves it running until Ctrl-C. Both
// remove all that they made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/k8sm/k8sm/test/cluster/playground"
)

const usage = `usage: playground demo|up [flags]

  demo   run the whole demo: nodes, pods, services, scaling, sharing, and remove everything
  up     build the same cluster with its first nodes, and leave it running until Ctrl-C

flags:
`

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	var options playground.Options
	var runtime string
	flags := flag.NewFlagSet("playground", flag.ContinueOnError)
	flags.StringVar(&runtime, "runtime", string(playground.RuntimeAuto), "what nodes run containers with: auto, containerd (needs root on Linux) or fake")
	flags.IntVar(&options.Agents, "agents", 5, "the number of Mesos agents")
	flags.BoolVar(&options.KeepLogs, "keep-logs", false, "keep the logs, even if nothing fails")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	commands := map[string]func(context.Context, *session) error{"demo": demo, "up": up}
	if len(args) == 0 || commands[args[0]] == nil {
		flags.Usage()
		return exitUsage
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return exitUsage
	}
	options.Runtime = playground.Runtime(runtime)
	return runCommand(ctx, options, commands[args[0]])
}
