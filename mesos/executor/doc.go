// Package executor is the executor's side of the Mesos executor API v1, for executors
// that run exactly one task: it subscribes with the agent, hands the task to a
// Workload, reports its states until the agent has taken them, and ends when the task
// has ended.
//
// Core holds what must be remembered and decides what each event asks for; it has no
// socket, goroutine or clock. Driver is the shell around it. Neither knows what the
// workload is. The executor command calls Driver.Run.
package executor
