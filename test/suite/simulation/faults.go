package simulation

// plantedFault is a mistake in the product that the simulation has to catch. It replaces a text in
// a source file while the test binary is built.
type plantedFault struct {
	// name describes the mistake.
	name string
	// file of the product, below the root of the repository.
	file string
	// old must occur in it exactly once; it is replaced by new.
	old, new string
	// by is a regular expression that the failure of a seed must match.
	by string
}

// plantedFaults are planted one at a time.
var plantedFaults = []plantedFault{
	{
		name: "acknowledge before the record",
		file: "mesos/scheduler/tasktracker.go",
		old:  "		k.out.record(next)\n",
		new:  "		k.out.record(next)\n		k.acknowledge(&next)\n",
		by:   "was acknowledged, and on record",
	},
	{
		name: "ACCEPT although the intent was not written",
		file: "controllers/taskrecord/store.go",
		old:  "	if err != nil {\n		return scheduler.Payload{}, fmt.Errorf(\"preparing %s: %w\", intent.TaskID, err)\n	}\n	if refusal != nil {",
		new:  "	if err != nil {\n		return payload, nil\n	}\n	if refusal != nil {",
		by:   "^I[12]:",
	},
	{
		name: "launch before the framework ID is stored",
		file: "mesos/scheduler/core.go",
		old:  "c.state.Reconciled && c.idStore.IsStored() && !c.connection",
		new:  "c.state.Reconciled && !c.connection",
		by:   "^I2.*framework ID",
	},
	{
		name: "forget the framework ID at a restart",
		file: "controllers/mesosframework/start.go",
		old:  "	spec.info.ID = id\n",
		new:  "	_ = id\n",
		by:   "^I9",
	},
	{
		name: "forget the stream ID",
		file: "mesos/session/sender.go",
		old:  "outboundCall{message: call, streamID: st.id}",
		new:  "outboundCall{message: call}",
		by:   "not converge",
	},
	{
		name: "use a task ID twice",
		file: "controllers/mesosnode/launch.go",
		old:  "	rc.node.Status.Attempt++\n",
		new:  "",
		by:   "^I1:|not converge",
	},
	{
		name: "revive once",
		file: "mesos/scheduler/demands.go",
		old:  "	c.calls.Send(calls.ReviveWith([]string{role}))\n",
		new:  "	if c.book.roles.Get(role).Revives() > 0 {\n		return\n	}\n	c.calls.Send(calls.ReviveWith([]string{role}))\n",
		by:   "not converge",
	},
	{
		name: "take UNREACHABLE for the end",
		file: "mesos/scheduler/tasks/state.go",
		old:  "Dropped, Gone, GoneByOperator:\n		return true",
		new:  "Dropped, Gone, GoneByOperator, Unreachable:\n		return true",
		by:   "^I[14]:",
	},
	{
		name: "take LOST for the end",
		file: "mesos/scheduler/tasks/state.go",
		old:  "Dropped, Gone, GoneByOperator:\n		return true",
		new:  "Dropped, Gone, GoneByOperator, Lost:\n		return true",
		by:   "^I[14]:",
	},
	{
		name: "ask for no task after a subscription",
		file: "mesos/scheduler/tasks/reconciler.go",
		old:  "		r.awaited++\n		r.Ask(now, t)\n",
		new:  "		t.isAwaited = false\n",
		by:   "not converge|^I3",
	},
	{
		name: "launch before task reconciliation",
		file: "mesos/scheduler/core.go",
		old:  "c.connection.IsSubscribed() && c.state.Reconciled && c.idStore",
		new:  "c.connection.IsSubscribed() && c.idStore",
		by:   "^I3",
	},
	{
		name: "hold offers for ever",
		file: "mesos/scheduler/launcher_offers.go",
		old:  "	l.decline(long, l.timing.DeclineFilter)\n	l.decline(short",
		new:  "	l.decline(short",
		by:   "^I8",
	},
	{
		name: "kill once",
		file: "mesos/scheduler/tasks/killer.go",
		old:  "	if !t.isKilling || t.IsOver {\n",
		new:  "	if !t.isKilling || t.IsOver || t.kills > 0 {\n",
		by:   "not converge",
	},
	{
		name: "never miss a heartbeat",
		file: "mesos/scheduler/subscription.go",
		old:  "		c.drop(now, MasterUnreachable, fmt.Sprintf(\"nothing was heard",
		new:  "		_ = (fmt.Sprintf(\"nothing was heard",
		by:   "not converge|^I",
	},
	{
		name: "never suppress",
		file: "mesos/scheduler/demands.go",
		old:  "	c.calls.Send(calls.SuppressWith([]string{role}))\n",
		new:  "",
		by:   "^I10|^I8",
	},
	{
		name: "delete the Node before its task has ended",
		file: "controllers/mesosnode/controller.go",
		old:  "r.killTask, r.releaseVolumes, r.deleteNode,",
		new:  "r.releaseVolumes, r.deleteNode, r.killTask,",
		by:   "^I4",
	},
	{
		name: "kill before the drain",
		file: "controllers/mesosnode/controller.go",
		old:  "r.cordon, r.drain, r.awaitDetach, r.awaitTerminateHooks, r.killTask,",
		new:  "r.cordon, r.killTask, r.drain, r.awaitDetach, r.awaitTerminateHooks,",
		by:   "^I5",
	},
	{
		name: "take a pod that its budget holds for gone",
		file: "controllers/drain/evictions.go",
		old:  "		result.Blocked = append(result.Blocked, BlockedPod{Pod: name, Reason: a.refusal})\n",
		new:  "",
		by:   "^I5",
	},
	{
		name: "expect nothing of a node that was just made",
		file: "controllers/poolnodes/store.go",
		old:  "	s.expectations.create(pool.Name, node.Name, s.now())\n",
		new:  "",
		by:   "^I7",
	},
	{
		name: "tell of another kubelet once",
		file: "controllers/mesosnode/upgrade.go",
		old:  "	if state.messageEvery == 0 || rc.session == nil {\n",
		new:  "	if state.messageEvery == 0 || rc.session == nil || state.reason == before {\n",
		by:   "not converge.*kubelet",
	},
	{
		name: "go on telling of a kubelet that runs",
		file: "controllers/mesosnode/upgrade.go",
		old:  "shortDigest(wanted.SHA256)), 0}\n",
		new:  "shortDigest(wanted.SHA256)), messageInterval}\n",
		by:   "^I10",
	},
	{
		name: "give up on a status that could not be recorded",
		file: "mesos/scheduler/tasks.go",
		old:  "	if err != nil && !errors.Is(err, ErrUnknownTask) {\n",
		new:  "	if err != nil && !errors.Is(err, ErrUnknownTask) && t == nil {\n",
		by:   "was acknowledged|not converge",
	},
	{
		name: "forget the tasks on record at a restart",
		file: "controllers/mesosframework/start.go",
		old:  "		Tasks:         tasks,\n",
		new:  "		Tasks:        tasks[:0],\n",
		by:   "^I3|not converge",
	},
	{
		name: "leave the registration taint on a node",
		file: "controllers/nodemetadata/merge.go",
		old:  "		return isRegistrationTaint(t) || was >= 0 && indexOf",
		new:  "		return was >= 0 && indexOf",
		by:   "not converge.*registration taint",
	},
	{
		name: "leave labels that a template does not have any more",
		file: "controllers/nodemetadata/merge.go",
		old:  "			delete(live, key)\n",
		new:  "",
		by:   "not converge.*tier",
	},
	{
		name: "take a user's taint for one of the template",
		file: "controllers/nodemetadata/merge.go",
		old:  "was >= 0 && indexOf(want, t) < 0 && last[was].Value == t.Value",
		new:  "was >= -1 && indexOf(want, t) < 0",
		by:   "removed what a user has set",
	},
	{
		name: "do not look at nodes when their pool's template changes",
		file: "controllers/mesosnode/watch.go",
		old:  "		Watches(&v1alpha1.MesosNodePool{}, handler.EnqueueRequestsFromMapFunc(r.ofPool), builder.WithPredicates(inPlaceChanges())).\n",
		new:  "",
		by:   "not converge.*tier",
	},
	{
		name: "spend no budget on a node that is removed",
		file: "controllers/poolnodes/disrupt.go",
		old:  "			usage.Disrupted++\n		}\n		chosen",
		new:  "		}\n		chosen",
		by:   "beyond the budget",
	},
	{
		name: "leave the taint on nodes that are not outdated any more",
		file: "controllers/disruption/nodes.go",
		old:  "wanted == isTainted(object) {",
		new:  "!wanted || isTainted(object) {",
		by:   "not converge.*outdated",
	},
}
