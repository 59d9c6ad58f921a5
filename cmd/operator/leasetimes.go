package main

import (
	"errors"
	"flag"
	"time"
)

// leaseTimes are the times of the leader election: how long a lease is valid, how long the
// leader tries to renew it, and the delay between two attempts to get or renew it.
type leaseTimes struct{ lease, renew, retry time.Duration }

func (i *leaseTimes) bind(flags *flag.FlagSet) {
	flags.DurationVar(&i.lease, "leader-election-lease-duration", 15*time.Second, "The `time` that other operators wait after the last renewal of the Lease before one of them takes over.")
	flags.DurationVar(&i.renew, "leader-election-renew-deadline", 10*time.Second, "The `time` for which the leading operator tries to renew the Lease before it gives up and exits.")
	flags.DurationVar(&i.retry, "leader-election-retry-period", 2*time.Second, "The `time` between two attempts to get or renew the Lease.")
}

func (i leaseTimes) check() error {
	if i.lease > i.renew && i.renew > i.retry && i.retry > 0 {
		return nil
	}
	return errors.New("--leader-election-lease-duration must be greater than --leader-election-renew-deadline, and that greater than --leader-election-retry-period")
}
