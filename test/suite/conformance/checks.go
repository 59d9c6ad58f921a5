package conformance

import "slices"

// checks are all of them, in the order in which they are asked: a later one rests on
// the ones before.
func checks() []check {
	return slices.Concat(
		masterChecks, subscriptionChecks, callChecks, identityChecks, offerChecks, filterChecks,
		taskChecks, refusalChecks, reconciliationChecks, executorChecks, secretChecks, agentChecks, disruptionChecks, sessionChecks,
	)
}
