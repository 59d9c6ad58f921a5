package timers

// Kind is what a timer is for.
type Kind uint8

// The kinds. Timers that expire at the same time come in this order.
const (
	Subscribe           Kind = iota // open a stream to the master
	CheckHeartbeat                  // close the stream if the master was silent for too long
	StoreFrameworkID                // store the framework ID again
	RecordStatus                    // record a status of a task again; key: task ID
	DeclineOffers                   // decline offers that were held long enough
	SendBatch                       // accept with what is prepared by now; key: batch ID
	Plan                            // match demands to offers
	RetryGroup                      // a demand group may be placed again; key: group
	ReviewAgent                     // an agent may be used again after failures; key: agent ID
	ReconcileTimeout                // launch although the master has not answered for every task
	ReconcileTask                   // reconcile one task; key: task ID
	ReconcileImplicitly             // reconcile all tasks that the master knows
	Kill                            // send KILL again; key: task ID
	Revive                          // send REVIVE; key: role
	Suppress                        // send SUPPRESS; key: role
	ReviewMaintenance               // a maintenance window may have ended; key: agent ID
	EndDraining                     // an agent that drained is used again; key: agent ID
	ExpireObservations              // forget agents that were seen too long ago
	SendCalls                       // the rate limit allows more calls

	// Kinds is the number of kinds, for tables.
	Kinds
)
