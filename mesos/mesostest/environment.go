package mesostest

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// environment of an executor or command: the agent's variables, then its own.
func (x *executorState) environment() []string {
	a := x.agent
	endpoint := net.JoinHostPort(a.ip, strconv.Itoa(a.port))
	checkpoint := x.framework.info.GetCheckpoint()
	env := []string{
		"LIBPROCESS_IP=" + a.ip,
		"LIBPROCESS_PORT=0",
		"MESOS_AGENT_ENDPOINT=" + endpoint,
		"MESOS_CHECKPOINT=" + flag(checkpoint),
		"MESOS_DIRECTORY=" + x.sandbox(),
		"MESOS_EXECUTOR_ID=" + x.id(),
		"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=" + mesosDuration(x.gracePeriod()),
		"MESOS_FRAMEWORK_ID=" + x.framework.id,
		"MESOS_HTTP_COMMAND_EXECUTOR=0",
		"MESOS_SANDBOX=" + x.sandbox(),
		"MESOS_SLAVE_ID=" + a.record.id,
		"MESOS_SLAVE_PID=slave(1)@" + endpoint,
	}
	if checkpoint {
		env = append(env,
			"MESOS_RECOVERY_TIMEOUT="+mesosDuration(a.options.RecoveryTimeout),
			"MESOS_SUBSCRIPTION_BACKOFF_MAX="+mesosDuration(a.options.ExecutorReregistrationTimeout))
	}
	if token := x.token(); token != "" {
		env = append(env, "MESOS_EXECUTOR_AUTHENTICATION_TOKEN="+token)
	}
	env = append(env, a.options.ExecutorEnvironment...)
	for _, v := range x.info.GetCommand().GetEnvironment().GetVariables() {
		env = append(env, v.Name+"="+v.GetValue())
	}
	return env
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// mesosDuration writes a duration as Mesos does: 15mins, 5secs, 1.5secs.
func mesosDuration(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{
		{"weeks", 7 * 24 * time.Hour}, {"days", 24 * time.Hour}, {"hrs", time.Hour}, {"mins", time.Minute},
		{"secs", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond},
	}
	for _, u := range units {
		if d >= u.size {
			return strconv.FormatFloat(float64(d)/float64(u.size), 'f', -1, 64) + u.name
		}
	}
	return fmt.Sprintf("%dns", d.Nanoseconds())
}
