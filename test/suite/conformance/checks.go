package conformance

import "slices"

// checks returns all checks in the order in which they run. Later checks assume what
// earlier ones have shown.
func checks() []check {
	return slices.Concat(
		masterChecks, accessChecks, subscriptionChecks, callChecks, identityChecks, offerChecks, filterChecks,
		taskChecks, refusalChecks, reconciliationChecks, executorChecks, secretChecks, agentChecks, disruptionChecks, sessionChecks,
	)
}
