// Package executor implements the executor's side of the Mesos executor API v1, for executors
// that run exactly one task. It subscribes with the agent, gives the task to a Workload,
// reports the task's states until the agent acknowledges them, and ends when the task has
// ended.
//
// Core keeps the updates that are not acknowledged, and decides what each event requires. It
// has no socket, goroutine or clock. Driver has them, and carries out what Core decides.
// Neither knows what the workload is. The executor command calls Driver.Run.
package executor
