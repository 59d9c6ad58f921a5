package schema

import "strings"

// The valid objects to which the examples are applied.
const (
	framework = `
apiVersion: k8sm.io/v1alpha1
kind: MesosFramework
metadata: {name: default}
spec: {masters: ["leader.mesos:5050"]}
`
	pool = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: general}
spec:
  frameworkRef: {name: default}
  replicas: 3
  template:
    spec:
      resources: {cpu: "4", memory: 16Gi}
`
	node = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNode
metadata: {name: general-x7k2p}
spec:
  frameworkRef: {name: default}
  template:
    spec:
      resources: {cpu: "4", memory: 16Gi}
`
)

// bases has the valid object of each kind.
var bases = map[string]string{"MesosFramework": framework, "MesosNodePool": pool, "MesosNode": node}

// example is how objects satisfy and violate the rules with one message. Other kinds than Kind
// with a rule of the same message, as MesosNode has many of MesosNodePool, get the same patches.
type example struct {
	kind string
	// accepted and refused are merge patches of the valid object.
	accepted, refused []string
	// ofNewObjects: the value never changes, so that no stored object can violate the rule.
	ofNewObjects bool
}

// autoscaled gives a pool spec.autoscaling, with fields.
func autoscaled(fields string) string { return "spec: {replicas: null, autoscaling: " + fields + "}" }

// shaped gives an autoscaled pool one shape, and an overhead.
func shaped(shape string) string {
	return "spec: {replicas: null, autoscaling: {}, template: {spec: {resources: null, overhead: {cpu: 1, memory: 1Gi}, shapes: [" + shape + "]}}}"
}

func rollout(fields string) string { return "spec: {rollout: " + fields + "}" }

func disruption(fields string) string { return "spec: {disruption: " + fields + "}" }

func repair(fields string) string { return "spec: {repair: " + fields + "}" }

func budgets(budget string) string { return disruption("{budgets: [" + budget + "]}") }

func masters(addresses ...string) string {
	return `spec: {masters: ["` + strings.Join(addresses, `", "`) + `"]}`
}

// nodeSpec sets fields of the template's spec.
func nodeSpec(fields string) string { return "spec: {template: {spec: {" + fields + "}}}" }

// nodeMetadata sets fields of the template's metadata.
func nodeMetadata(fields string) string { return "spec: {template: {metadata: {" + fields + "}}}" }

const sha = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// artifact is a template with one artifact.
func artifact(name, uri, sha256 string) string {
	return nodeSpec(`runtime: {artifacts: [{name: "` + name + `", uri: "` + uri + `", sha256: "` + sha256 + `"}]}`)
}

// examples has an example for each message of a rule.
var examples = map[string]example{
	"name must be at most 63 characters: it is the value of a label on each node": {
		kind: "MesosFramework", ofNewObjects: true,
		accepted: []string{"metadata: {name: " + strings.Repeat("a", 63) + "}"}, refused: []string{"metadata: {name: " + strings.Repeat("a", 64) + "}"},
	},
	"name must be at most 57 characters: the names of its nodes begin with it": {
		kind: "MesosNodePool", ofNewObjects: true,
		accepted: []string{"metadata: {name: " + strings.Repeat("a", 57) + "}"}, refused: []string{"metadata: {name: " + strings.Repeat("a", 58) + "}"},
	},
	"name must be at most 63 characters: the Node has the same name": {
		kind: "MesosNode", ofNewObjects: true,
		accepted: []string{"metadata: {name: " + strings.Repeat("a", 63) + "}"}, refused: []string{"metadata: {name: " + strings.Repeat("a", 64) + "}"},
	},
	"name must have no dots, and be neither kubernetes nor localhost: the node gets a serving certificate in this name": {
		kind:     "MesosNode", // the rule is for new objects alone
		accepted: []string{"metadata: {name: kubernetes-a}"}, refused: []string{"metadata: {name: kubernetes}"},
	},
	"name cannot be changed: Mesos knows the framework by it; create another MesosFramework instead": {
		kind: "MesosFramework", accepted: []string{`spec: {name: k8sm, roles: [other]}`}, refused: []string{`spec: {name: other}`},
	},
	"user cannot be changed: Mesos keeps the user of the first subscription; create another MesosFramework instead": {
		kind: "MesosFramework", accepted: []string{`spec: {user: root}`}, refused: []string{`spec: {user: other}`},
	},
	"credentials would be sent to the masters in plain text: use https:// masters, or zk:// with tls, or set insecure to true": {
		kind: "MesosFramework",
		accepted: []string{
			`spec: {masters: ["https://m:5050"], credentials: {secretRef: {name: login}}}`,
			`spec: {masters: ["zk://z:2181/mesos"], tls: {secretRef: {name: ca}}, credentials: {secretRef: {name: login}}}`,
			`spec: {masters: ["m:5050"], insecure: true, credentials: {secretRef: {name: login}}}`,
			`spec: {masters: ["zk://z:2181/mesos"], insecure: true, credentials: {secretRef: {name: login}}}`,
		},
		refused: []string{
			`spec: {credentials: {secretRef: {name: login}}}`,
			`spec: {insecure: false, credentials: {type: Bearer, secretRef: {name: login}}}`,
			`spec: {masters: ["http://m:5050"], credentials: {secretRef: {name: login}}}`,
			`spec: {masters: ["https://m1:5050", "m2:5050"], credentials: {secretRef: {name: login}}}`,
			`spec: {masters: ["zk://z:2181/mesos"], credentials: {secretRef: {name: login}}}`,
		},
	},
	"an attribute that begins with @ is @hostname, @region or @zone": {
		kind:     "MesosNodePool",
		accepted: []string{`spec: {placement: {constraints: [{attribute: "@zone", operator: Exists}, {attribute: rack, operator: Exists}]}}`},
		refused:  []string{`spec: {placement: {constraints: [{attribute: "@rack", operator: NotIn, values: [r1]}]}}`, `spec: {placement: {constraints: [{attribute: "@", operator: Exists}]}}`},
	},
	"tls must not be set unless spec.masters has an https:// or zk:// address": {
		kind:     "MesosFramework",
		accepted: []string{`spec: {masters: ["https://m:5050"], tls: {secretRef: {name: ca}}}`, `spec: {masters: ["zk://z:2181/mesos"], tls: {secretRef: {name: ca}}}`},
		refused:  []string{`spec: {tls: {secretRef: {name: ca}}}`},
	},
	"a zk:// address must be the only entry: list all servers of that ZooKeeper in it, and no master besides it": {
		kind: "MesosFramework", accepted: []string{masters("zk://z:2181/mesos"), masters("m1:5050", "m2:5050")},
		refused: []string{masters("zk://z:2181/mesos", "m:5050"), masters("zk://y:2181/mesos", "zk://z:2181/mesos")},
	},
	"a ZooKeeper address is zk://host:port,host:port/path, for example zk://zk1:2181,zk2:2181/mesos": {
		kind: "MesosFramework",
		accepted: []string{
			masters("zk://zk1:2181,zk2:2181/mesos"), masters("zk://[fd00::1]:2181/mesos/a"), masters("zk://zk1:2181/mesos/"),
		},
		refused: []string{masters("zk://z:2181"), masters("zk://z/mesos"), masters("zk://z:2181/"), masters("zk://me@z:2181/mesos")},
	},
	"a zk:// address must not hold a password, which everybody reads who may see this object: put username and password into a secret, and name it in spec.zookeeperCredentials.secretRef": {
		kind: "MesosFramework",
		accepted: []string{
			masters("zk://zk1:2181,zk2:2181/mesos"), masters("zk://zk1:2181/mesos@prod"),
			`spec: {masters: ["zk://zk1:2181/mesos"], zookeeperCredentials: {secretRef: {name: zookeeper}}}`,
		},
		refused: []string{
			masters("zk://me:secret@[fd00::1]:2181/mesos/a"), masters("zk://me:s@cr:e,t@zk1:2181/mesos"), masters("zk://me@corp:secret@zk1:2181,zk2:2181/mesos/"),
			`spec: {masters: ["zk://me:secret@zk1:2181/mesos"], zookeeperCredentials: {secretRef: {name: zookeeper}}}`,
		},
	},
	"zookeeperCredentials must not be set unless spec.masters is a zk:// address": {
		kind:     "MesosFramework",
		accepted: []string{`spec: {masters: ["zk://z:2181/mesos"], zookeeperCredentials: {secretRef: {name: zookeeper}}}`},
		refused:  []string{`spec: {zookeeperCredentials: {secretRef: {name: zookeeper}}}`, `spec: {masters: ["https://m:5050"], zookeeperCredentials: {secretRef: {name: zookeeper}}}`},
	},
	"each master is host:port, http://host:port or https://host:port, without a path, for example leader.mesos:5050": {
		kind: "MesosFramework", accepted: []string{masters("m:5050", "http://10.0.0.1:5050/", "https://[fd00::1]:5050")},
		refused: []string{masters("m"), masters("http://m:5050/api"), masters("ftp://m:5050")},
	},
	"a port is between 1 and 65535": {
		kind: "MesosFramework", accepted: []string{masters("m:1", "n:65535"), masters("zk://z:65535/mesos")},
		refused: []string{masters("m:0"), masters("m:65536"), masters("zk://y:2181,z:70000/mesos"), masters("zk://me:x@y:70000,z:2181/mesos"), masters("m:70000/")},
	},
	"a role is '*' alone, or names separated by '/', without blanks or '*'; no name is empty, is '.' or '..', or begins with '-'": {
		kind: "MesosFramework", accepted: []string{`spec: {roles: ["*"]}`, `spec: {roles: [eng/k8sm, a.b]}`},
		refused: []string{`spec: {roles: ["a*"]}`, `spec: {roles: ["a b"]}`, `spec: {roles: [a//b]}`, `spec: {roles: [/a]}`, `spec: {roles: [a/]}`, `spec: {roles: [a/..]}`, `spec: {roles: ["-a"]}`},
	},
	"a framework ID is neither '.' nor '..', and has no blanks, slashes or backslashes; Mesos lists its framework IDs under /frameworks": {
		kind: "MesosFramework", accepted: []string{`spec: {frameworkID: 20150101-000000-1-0000}`, `spec: {frameworkID: "..."}`},
		refused: []string{`spec: {frameworkID: "."}`, `spec: {frameworkID: ".."}`, `spec: {frameworkID: a/b}`, `spec: {frameworkID: "a b"}`, `spec: {frameworkID: 'a\b'}`},
	},
	"must be at least 1m: Mesos kills every node when the operator is away for longer than this": {
		kind: "MesosFramework", accepted: []string{`spec: {failoverTimeout: 1m}`}, refused: []string{`spec: {failoverTimeout: 59s}`, `spec: {failoverTimeout: 0s}`},
	},
	"replicas or autoscaling is required: set replicas to the number of nodes (0 for none), or set autoscaling to size the pool by its pods": {
		kind: "MesosNodePool", accepted: []string{`spec: {replicas: 0}`, autoscaled("{}")}, refused: []string{`spec: {replicas: null}`},
	},
	"replicas must not be set while spec.autoscaling is set: change autoscaling.minReplicas and maxReplicas instead": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{}")}, refused: []string{`spec: {autoscaling: {}}`},
	},
	"deletionOrder must not be set while spec.autoscaling is set: the autoscaler removes the nodes that the pods need least": {
		kind: "MesosNodePool", accepted: []string{`spec: {deletionOrder: Oldest}`, autoscaled("{}")}, refused: []string{`spec: {deletionOrder: Oldest, replicas: null, autoscaling: {}}`},
	},
	"frameworkRef cannot be changed: the pool's nodes belong to that Mesos cluster; create another MesosNodePool instead": {
		kind: "MesosNodePool", accepted: []string{`spec: {replicas: 4}`}, refused: []string{`spec: {frameworkRef: {name: other}}`},
	},
	"terminationGracePeriod must not be longer than timeout: at timeout the node is removed with the pods that are left": {
		kind: "MesosNodePool",
		accepted: []string{
			`spec: {drain: {terminationGracePeriod: 1h, timeout: 60m}}`, `spec: {drain: {terminationGracePeriod: 1h}}`, `spec: {drain: {timeout: 1m}}`,
		},
		refused: []string{`spec: {drain: {terminationGracePeriod: 61m, timeout: 1h}}`},
	},
	"must be from 5s to 2m: the executor cleans up within it, and Mesos cuts a longer one short; set terminationGracePeriod to give pods more time": {
		kind: "MesosNodePool", accepted: []string{`spec: {drain: {killGracePeriod: 5s}}`, `spec: {drain: {killGracePeriod: 2m}}`},
		refused: []string{`spec: {drain: {killGracePeriod: 4s}}`, `spec: {drain: {killGracePeriod: 121s}}`},
	},
	"order must not be set if behavior is Skip: such pods are not evicted": {
		kind: "MesosNodePool",
		accepted: []string{
			`spec: {drain: {rules: [{name: a, behavior: Skip}, {name: b, order: 5}, {name: c, behavior: WaitCompleted, order: -1}, {name: d, behavior: Skip, order: 0}]}}`,
		},
		refused: []string{`spec: {drain: {rules: [{name: a, behavior: Skip, order: 1}]}}`},
	},
	"must be at least 1m, or 0s to wait for ever: most disconnected agents come back": {
		kind: "MesosNodePool", accepted: []string{`spec: {unreachable: {replaceAfter: 1m}}`, `spec: {unreachable: {replaceAfter: 0s}}`},
		refused: []string{`spec: {unreachable: {replaceAfter: 59s}}`},
	},
	"minReplicas must not be greater than maxReplicas": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{minReplicas: 2, maxReplicas: 2}"), autoscaled("{minReplicas: 2}")},
		refused: []string{autoscaled("{minReplicas: 3, maxReplicas: 2}")},
	},
	"limits.cpu must be greater than 0": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{limits: {cpu: 1}}"), autoscaled("{limits: {cpu: 100m}}")},
		refused: []string{autoscaled("{limits: {cpu: 0}}"), autoscaled(`{limits: {cpu: "-1"}}`)},
	},
	"limits.memory must be greater than 0": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{limits: {memory: 1}}"), autoscaled("{limits: {memory: 1Gi}}")},
		refused: []string{autoscaled("{limits: {memory: 0}}"), autoscaled("{limits: {memory: -1Gi}}")},
	},
	"autoscaling.limits.cpu must not be less than the cpu of minReplicas nodes": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{minReplicas: 3, limits: {cpu: 12}}")}, refused: []string{autoscaled("{minReplicas: 3, limits: {cpu: 11999m}}")},
	},
	"autoscaling.limits.memory must not be less than the memory of minReplicas nodes": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{minReplicas: 3, limits: {memory: 48Gi}}")}, refused: []string{autoscaled("{minReplicas: 3, limits: {memory: 47Gi}}")},
	},
	"idle must not be longer than max": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{batch: {idle: 1s, max: 1s}}")}, refused: []string{autoscaled("{batch: {idle: 2s, max: 1s}}")},
	},
	"idle must be at most 1m: pods wait for it": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{batch: {idle: 1m, max: 1m}}")}, refused: []string{autoscaled("{batch: {idle: 61s, max: 2m}}")},
	},
	"max must be at most 5m: pods wait for it": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{batch: {max: 5m}}")}, refused: []string{autoscaled("{batch: {max: 301s}}")},
	},
	"budget has been replaced by spec.disruption.budgets: set nodes there, with the reasons Empty and Underutilized": {
		kind: "MesosNodePool", accepted: []string{autoscaled("{scaleDown: {}}")},
		refused: []string{autoscaled("{scaleDown: {budget: 7}}"), autoscaled("{scaleDown: {budget: 10%}}")},
	},
	"maxSurge and maxUnavailable cannot both be 0: no node could be replaced": {
		kind: "MesosNodePool", accepted: []string{rollout("{maxSurge: 0}"), rollout("{maxUnavailable: 0}"), rollout("{maxSurge: 0%, maxUnavailable: 10%}")},
		refused: []string{rollout("{maxSurge: 0, maxUnavailable: 0}"), rollout("{maxSurge: 0%, maxUnavailable: 0}"), rollout(`{maxSurge: 0, maxUnavailable: "0%"}`)},
	},
	"maxUnavailable cannot be 0 while kubelet is InPlace: a node is unavailable while its kubelet is exchanged": {
		kind: "MesosNodePool", accepted: []string{rollout("{kubelet: InPlace}"), rollout("{maxUnavailable: 0}")},
		refused: []string{rollout("{kubelet: InPlace, maxUnavailable: 0}"), rollout("{kubelet: InPlace, maxUnavailable: 0%}")},
	},
	"maxSurge must be a number that is not negative, or a percentage between 0% and 100%": {
		kind: "MesosNodePool", accepted: []string{rollout("{maxSurge: 7}"), rollout("{maxSurge: 100%}"), rollout("{maxSurge: 0}")},
		refused: []string{rollout("{maxSurge: -1}"), rollout("{maxSurge: 101%}"), rollout(`{maxSurge: "7"}`), rollout("{maxSurge: 1.5%}")},
	},
	"maxUnavailable must be a number that is not negative, or a percentage between 0% and 100%": {
		kind: "MesosNodePool", accepted: []string{rollout("{maxUnavailable: 7}"), rollout("{maxUnavailable: 100%}"), rollout("{maxUnavailable: 0%}")},
		refused: []string{rollout("{maxUnavailable: -1}"), rollout("{maxUnavailable: 101%}"), rollout(`{maxUnavailable: "7"}`)},
	},
	"progressDeadline must be at least 1m: a node needs that long to start": {
		kind: "MesosNodePool", accepted: []string{rollout("{progressDeadline: 1m}")}, refused: []string{rollout("{progressDeadline: 59s}")},
	},
	"maxUnhealthy must be a number that is not negative, or a percentage between 0% and 100%": {
		kind: "MesosNodePool", accepted: []string{repair("{maxUnhealthy: 0}"), repair("{maxUnhealthy: 7}"), repair("{maxUnhealthy: 100%}")},
		refused: []string{repair("{maxUnhealthy: -1}"), repair("{maxUnhealthy: 101%}"), repair(`{maxUnhealthy: "7"}`)},
	},
	"after must be at least 1m: most nodes recover by themselves": {
		kind: "MesosNodePool",
		accepted: []string{
			repair("{rules: [{condition: KernelDeadlock, status: \"True\", after: 1m}]}"), repair("{rules: [{condition: Ready, status: Unknown}]}"),
		},
		refused: []string{repair("{rules: [{condition: Ready, status: Unknown, after: 59s}]}")},
	},
	"expireAfter must be at least 10m: a node needs time to start and to be drained": {
		kind: "MesosNodePool", accepted: []string{disruption("{expireAfter: 10m}"), disruption("{expireAfter: 720h}")}, refused: []string{disruption("{expireAfter: 9m}")},
	},
	"nodes must be a number that is not negative, or a percentage between 0% and 100%": {
		kind: "MesosNodePool", accepted: []string{budgets("{nodes: 0}"), budgets("{nodes: 7}"), budgets("{nodes: 0%}"), budgets("{nodes: 100%}")}, refused: []string{budgets("{nodes: -1}")},
	},
	"schedule and duration must be set together: the budget applies for the duration after each time of the schedule": {
		kind: "MesosNodePool", accepted: []string{budgets("{nodes: 1}"), budgets(`{nodes: 1, schedule: "@daily", duration: 1h}`)},
		refused: []string{budgets(`{nodes: 1, schedule: "@daily"}`), budgets("{nodes: 1, duration: 1h}")},
	},
	"schedule must have the five fields of cron, for example '0 9 * * mon-fri', or be one of @yearly, @monthly, @weekly, @daily and @hourly": {
		kind: "MesosNodePool", accepted: []string{budgets(`{nodes: 1, schedule: "0 9 * * mon-fri", duration: 1h}`), budgets(`{nodes: 1, schedule: "*/5 0,12 1-7 JAN ?", duration: 1h}`)},
		refused: []string{budgets(`{nodes: 1, schedule: "0 9 * *", duration: 1h}`), budgets(`{nodes: 1, schedule: "@noon", duration: 1h}`), budgets(`{nodes: 1, schedule: "TZ=UTC 0 9 * * *", duration: 1h}`)},
	},
	"duration must be at least 1m: schedules count in minutes": {
		kind: "MesosNodePool", accepted: []string{budgets(`{nodes: 1, schedule: "@daily", duration: 1m}`)}, refused: []string{budgets(`{nodes: 1, schedule: "@daily", duration: 59s}`)},
	},
	"shapes need spec.autoscaling: set it, or set template.spec.resources instead of shapes": {
		kind: "MesosNodePool", accepted: []string{shaped("{name: a, resources: {cpu: 4, memory: 4Gi}}")},
		refused: []string{`spec: {template: {spec: {resources: null, shapes: [{name: a, resources: {cpu: 4, memory: 4Gi}}]}}}`},
	},
	"a shape's name is made of lower-case letters, digits and '-', and begins and ends with a letter or digit": {
		kind: "MesosNodePool", accepted: []string{shaped("{name: a-1, resources: {cpu: 4, memory: 4Gi}}")},
		refused: []string{shaped("{name: A, resources: {cpu: 4, memory: 4Gi}}"), shaped("{name: a-, resources: {cpu: 4, memory: 4Gi}}")},
	},
	"resources is required; a pool with autoscaling can have shapes instead": {
		kind: "MesosNodePool", accepted: []string{shaped("{name: a, resources: {cpu: 4, memory: 4Gi}}")}, refused: []string{nodeSpec("resources: null")},
	},
	"a template has either resources or shapes": {
		kind: "MesosNodePool", accepted: []string{shaped("{name: a, resources: {cpu: 4, memory: 4Gi}}")},
		refused: []string{`spec: {replicas: null, autoscaling: {}, template: {spec: {shapes: [{name: a, resources: {cpu: 4, memory: 4Gi}}]}}}`},
	},
	"shapes must not be set on a MesosNode: set resources instead; only a MesosNodePool can have shapes": {
		kind: "MesosNode", accepted: []string{`{}`}, refused: []string{nodeSpec("resources: null, shapes: [{name: a, resources: {cpu: 4, memory: 4Gi}}]")},
	},
	"a MesosNode's spec cannot be changed: edit the template of its MesosNodePool, then delete this MesosNode to have it replaced": {
		kind: "MesosNode", accepted: []string{`metadata: {labels: {a: b}}`}, refused: []string{nodeSpec("resources: {cpu: 5}")},
	},
	"resources must be greater than overhead: pods can use only the difference": {
		kind: "MesosNodePool", accepted: []string{nodeSpec("overhead: {cpu: 3999m, memory: 15Gi}")},
		refused: []string{nodeSpec("overhead: {cpu: 4}"), nodeSpec("overhead: {memory: 16Gi}")},
	},
	"the cpu of each shape must be greater than overhead: pods can use only the difference": {
		kind: "MesosNodePool", accepted: []string{shaped("{name: a, resources: {cpu: 1001m, memory: 4Gi}}")}, refused: []string{shaped("{name: a, resources: {cpu: 1, memory: 4Gi}}")},
	},
	"the memory of each shape must be greater than overhead: pods can use only the difference": {
		kind: "MesosNodePool", accepted: []string{shaped("{name: a, resources: {cpu: 4, memory: 1025Mi}}")}, refused: []string{shaped("{name: a, resources: {cpu: 4, memory: 1Gi}}")},
	},
	"cpu must be between 200m and 1024": {
		kind:     "MesosNodePool",
		accepted: []string{nodeSpec("resources: {cpu: 200m}"), nodeSpec(`resources: {cpu: "1024"}`), nodeSpec("resources: {cpu: 1024}")},
		refused: []string{nodeSpec("resources: {cpu: 199m}"), nodeSpec("resources: {cpu: 1025}"), nodeSpec(`resources: {cpu: "-4"}`),
			shaped("{name: a, resources: {cpu: 199m, memory: 4Gi}}")},
	},
	"memory must be between 512Mi and 64Ti (a number without a unit is bytes)": {
		kind:     "MesosNodePool",
		accepted: []string{nodeSpec("resources: {memory: 512Mi}"), nodeSpec("resources: {memory: 64Ti}"), nodeSpec("resources: {memory: 1073741824}")},
		refused: []string{nodeSpec("resources: {memory: 511Mi}"), nodeSpec("resources: {memory: 65Ti}"), nodeSpec("resources: {memory: 16}"),
			shaped("{name: a, resources: {cpu: 4, memory: 16}}")},
	},
	"ephemeral-storage must be between 1Mi and 1Pi (a number without a unit is bytes); omit it to take no disk": {
		kind:     "MesosNodePool",
		accepted: []string{nodeSpec("resources: {ephemeral-storage: 1Mi}"), nodeSpec("resources: {ephemeral-storage: 1Pi}")},
		refused: []string{nodeSpec("resources: {ephemeral-storage: 0}"), nodeSpec("resources: {ephemeral-storage: 2Pi}"),
			shaped("{name: a, resources: {cpu: 4, memory: 4Gi, ephemeral-storage: 40}}")},
	},
	"overhead.cpu must be at least 10m: Mesos logs a warning for executors with less": {
		kind: "MesosNodePool", accepted: []string{nodeSpec("overhead: {cpu: 10m}")}, refused: []string{nodeSpec("overhead: {cpu: 9m}")},
	},
	"overhead.memory must be at least 64Mi: the kubelet and the container runtime use it": {
		kind: "MesosNodePool", accepted: []string{nodeSpec("overhead: {memory: 64Mi}")}, refused: []string{nodeSpec("overhead: {memory: 63Mi}")},
	},
	"a taint with the same key and effect is in both taints and startupTaints: it cannot be both permanent and temporary": {
		kind: "MesosNodePool", accepted: []string{nodeSpec("taints: [{key: a, effect: NoSchedule}], startupTaints: [{key: a, effect: NoExecute}]")},
		refused: []string{nodeSpec("taints: [{key: a, value: b, effect: NoSchedule}], startupTaints: [{key: a, effect: NoSchedule}]")},
	},
	"a taint's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'": {
		kind:     "MesosNodePool",
		accepted: []string{nodeSpec("taints: [{key: example.com/a, effect: NoSchedule}], startupTaints: [{key: b, effect: NoSchedule}]")},
		refused:  []string{nodeSpec(`taints: [{key: "a b", effect: NoSchedule}]`), nodeSpec("startupTaints: [{key: a/b/c, effect: NoSchedule}]")},
	},
	"a taint's value is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit": {
		kind:     "MesosNodePool",
		accepted: []string{nodeSpec("taints: [{key: a, value: a.b, effect: NoSchedule}], startupTaints: [{key: b, value: '', effect: NoSchedule}]")},
		refused:  []string{nodeSpec("taints: [{key: a, value: a., effect: NoSchedule}]"), nodeSpec("startupTaints: [{key: a, value: 'a b', effect: NoSchedule}]")},
	},
	"of the labels under kubernetes.io and k8s.io, a template may have only those under node.kubernetes.io, node-role.kubernetes.io, node-restriction.kubernetes.io and kubelet.kubernetes.io; k8sm takes host, architecture, zone and region from the agent": {
		kind: "MesosNodePool", accepted: []string{
			nodeMetadata("labels: {kubelet.kubernetes.io/a: b, a.node.kubernetes.io/c: d, example.com/e: f}"),
			nodeMetadata("labels: {node-role.kubernetes.io/worker: '', node-restriction.kubernetes.io/a: b, a.node-restriction.kubernetes.io/a: b}"),
		},
		refused: []string{nodeMetadata("labels: {topology.kubernetes.io/zone: a}"), nodeMetadata("labels: {kubernetes.io/hostname: a}"), nodeMetadata("labels: {k8s.io/a: b}"), nodeMetadata("labels: {mynode.kubernetes.io/a: b}")},
	},
	"labels under k8sm.io are reserved for k8sm": {
		kind: "MesosNodePool", accepted: []string{nodeMetadata("labels: {a.k8sm.io/pool: other}")}, refused: []string{nodeMetadata("labels: {k8sm.io/pool: other}")},
	},
	"a label's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'": {
		kind: "MesosNodePool", accepted: []string{nodeMetadata("labels: {example.com/A_b: c}")}, refused: []string{nodeMetadata(`labels: {"a b": c}`)},
	},
	"a label's value is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit": {
		kind: "MesosNodePool", accepted: []string{nodeMetadata("labels: {a: ''}")}, refused: []string{nodeMetadata("labels: {a: 'b c'}"), nodeMetadata("labels: {a: -b}")},
	},
	"an annotation's key is a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix and '/'": {
		kind: "MesosNodePool", accepted: []string{nodeMetadata("annotations: {example.com/Note: 'any text, really'}")}, refused: []string{nodeMetadata(`annotations: {"a b": c}`)},
	},
	"runtimeSocket is an absolute path, for example /run/containerd/containerd.sock": {
		kind: "MesosNodePool", accepted: []string{nodeSpec("runtime: {runtimeSocket: /run/containerd/containerd.sock}")},
		refused: []string{nodeSpec("runtime: {runtimeSocket: containerd.sock}"), nodeSpec("runtime: {runtimeSocket: 'unix:///run/c.sock'}"), nodeSpec("runtime: {runtimeSocket: /run/}")},
	},
	"an artifact's name is a file name of lower-case letters, digits, '-', '_' and '.', for example containerd-shim-runc-v2": {
		kind: "MesosNodePool", accepted: []string{artifact("containerd-shim-runc-v2", "file:///a", sha)},
		refused: []string{artifact("../kubelet", "file:///a", sha), artifact("Kubelet", "file:///a", sha), artifact(".", "file:///a", sha)},
	},
	"a uri must not hold a user name or a password, which everybody reads who may see this object: have the operator's --node-runtime file name a mirror and its mirrorCredentials": {
		kind: "MesosNodePool", accepted: []string{artifact("a", "https://files.example/me:secret@a", sha), artifact("a", "file:///opt/me@a", sha)},
		refused: []string{artifact("a", "https://me:secret@files.example/a", sha), artifact("a", "http://t0ken@files.example/a", sha)},
	},
	"uri must be http://, https:// or file://, have a path, and contain neither ' nor a backslash": {
		kind: "MesosNodePool", accepted: []string{artifact("a", "https://files.example:8443/a?v=1", sha), artifact("a", "file:///opt/a", sha)},
		refused: []string{artifact("a", "s3://bucket/a", sha), artifact("a", "https://files.example", sha), artifact("a", "https://files.example/it's", sha), artifact("a", `file:///opt\\a`, sha), artifact("a", "file:///a b", sha)},
	},
	"sha256 must be 64 lower-case hexadecimal digits, as sha256sum prints them": {
		kind: "MesosNodePool", accepted: []string{artifact("a", "file:///a", sha)},
		refused: []string{artifact("a", "file:///a", "abc"), artifact("a", "file:///a", strings.ToUpper(sha))},
	},
	"a runtime's version is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit, for example v1.37.2": {
		kind:     "MesosNodePool",
		accepted: []string{nodeSpec(`runtime: {version: v1.37.2}`), nodeSpec(`runtime: {version: v1.37.2-2}`), nodeSpec(`runtime: {version: stable}`)},
		refused:  []string{nodeSpec(`runtime: {version: v1.37.2+1}`), nodeSpec(`runtime: {version: "v1.37 "}`), nodeSpec(`runtime: {version: "-"}`)},
	},
	"In and NotIn need values; Exists and DoesNotExist take none": {
		kind:     "MesosNodePool",
		accepted: []string{`spec: {placement: {constraints: [{attribute: a, operator: In, values: [b]}, {attribute: c, operator: Exists}, {attribute: d, operator: DoesNotExist, values: []}]}}`},
		refused:  []string{`spec: {placement: {constraints: [{attribute: a, operator: NotIn}]}}`, `spec: {placement: {constraints: [{attribute: a, operator: In, values: []}]}}`, `spec: {placement: {constraints: [{attribute: a, operator: Exists, values: [b]}]}}`},
	},
}

// kubeletUpgrade is a status with a requested kubelet.
func kubeletUpgrade(name, uri, sha256 string) string {
	return `status: {kubeletUpgrade: {name: "` + name + `", uri: "` + uri + `", sha256: "` + sha256 + `"}}`
}

// statusExamples has an example for each message of a rule below status.
var statusExamples = map[string]example{
	"an artifact's name is a file name of lower-case letters, digits, '-', '_' and '.', for example containerd-shim-runc-v2": {
		kind: "MesosNode", accepted: []string{kubeletUpgrade("kubelet", "file:///a", sha)}, refused: []string{kubeletUpgrade("a/b", "file:///a", sha)},
	},
	"uri must be http://, https:// or file://, have a path, and contain neither ' nor a backslash": {
		kind: "MesosNode", accepted: []string{kubeletUpgrade("kubelet", "file:///a", sha)}, refused: []string{kubeletUpgrade("kubelet", "/a", sha)},
	},
	"sha256 must be 64 lower-case hexadecimal digits, as sha256sum prints them": {
		kind: "MesosNode", accepted: []string{kubeletUpgrade("kubelet", "file:///a", sha)}, refused: []string{kubeletUpgrade("kubelet", "file:///a", "abc")},
	},
}
