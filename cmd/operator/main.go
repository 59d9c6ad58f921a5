// Command operator is the Mesos framework that makes Kubernetes nodes from Mesos offers.
//
// It reads flags and files, and runs a manager with the controllers; it decides nothing itself.
// Several operators may run. One of them leads, and the others wait.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
)

// version is set by the linker.
var version = "dev"

func main() {
	options, err := parse(flag.NewFlagSet("operator", flag.ContinueOnError), os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(2)
	}
	ctrl.SetLogger(options.logger)
	if err := run(ctrl.SetupSignalHandler(), options); err != nil {
		options.logger.Error(err, "Operator failed")
		os.Exit(1)
	}
}
