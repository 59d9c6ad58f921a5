package main

import (
	"errors"
	"flag"
	"time"
)

// intervals of the leader election: how long a lease is good, by when the one that
// leads must have renewed it, and how often the others try.
type intervals struct{ lease, renew, retry time.Duration }

func (i *intervals) bind(flags *flag.FlagSet) {
	flags.DurationVar(&i.lease, "leader-election-lease-duration", 15*time.Second, "How long others wait for an operator that leads and is not heard of.")
	flags.DurationVar(&i.renew, "leader-election-renew-deadline", 10*time.Second, "How long the operator that leads tries to renew its lease before it gives up and exits.")
	flags.DurationVar(&i.retry, "leader-election-retry-period", 2*time.Second, "How long to wait between two tries.")
}

func (i intervals) check() error {
	if i.lease > i.renew && i.renew > i.retry && i.retry > 0 {
		return nil
	}
	return errors.New("--leader-election-lease-duration must be greater than --leader-election-renew-deadline, and that greater than --leader-election-retry-period")
}
