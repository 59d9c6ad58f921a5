// Command operator is the Mesos framework that makes Kubernetes nodes of Mesos offers.
// It reads flags, makes options of them, and gives these to a manager with the
// controllers: what it does is theirs. Several may run; one leads, the others wait.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	ctrl "sigs.k8s.io/controller-runtime"
)

// version is set when the binary is linked.
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
