package conformance

import (
	"crypto/rand"
	"fmt"
	"slices"
)

// object is a JSON object to be sent.
type object = map[string]any

// id is an ID in Mesos' JSON form.
type id struct {
	Value string `json:"value"`
}

// uuid returns a random UUID in the form of Mesos' stream IDs.
func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func idOf(value string) object { return object{"value": value} }

// event is an event of a scheduler's stream, with the fields that the checks read.
type event struct {
	Type       string      `json:"type"`
	Subscribed *subscribed `json:"subscribed"`
	Offers     *struct {
		Offers []offer `json:"offers"`
	} `json:"offers"`
	Rescind *struct {
		OfferID id `json:"offer_id"`
	} `json:"rescind"`
	Update *struct {
		Status status `json:"status"`
	} `json:"update"`
	Failure *failure `json:"failure"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error"`
}

type subscribed struct {
	FrameworkID id       `json:"framework_id"`
	Heartbeat   *float64 `json:"heartbeat_interval_seconds"`
	MasterInfo  *struct {
		ID       string `json:"id"`
		Hostname string `json:"hostname"`
		Version  string `json:"version"`
	} `json:"master_info"`
}

type offer struct {
	ID         id         `json:"id"`
	AgentID    id         `json:"agent_id"`
	Hostname   string     `json:"hostname"`
	Allocation role       `json:"allocation_info"`
	Resources  []resource `json:"resources"`
	Attributes []object   `json:"attributes"`
	URL        *struct {
		Scheme  string `json:"scheme"`
		Address struct {
			Hostname string `json:"hostname"`
			IP       string `json:"ip"`
			Port     int    `json:"port"`
		} `json:"address"`
	} `json:"url"`
	Unavailability object `json:"unavailability"`
}

type role struct {
	Role string `json:"role"`
}

// resource keeps all fields, so that a reserved resource is accepted with its reservations.
type resource map[string]any

func (r resource) name() string {
	name, _ := r["name"].(string)
	return name
}

// scalar returns the amount of an ordinary resource. It is 0 for revocable and shared ones,
// for disks with a source, and for those of resource providers.
func (r resource) scalar() float64 {
	for _, special := range []string{"revocable", "shared", "disk", "provider_id"} {
		if _, ok := r[special]; ok {
			return 0
		}
	}
	scalar, _ := r["scalar"].(map[string]any)
	value, _ := scalar["value"].(float64)
	return value
}

// part returns the resource with another amount.
func (r resource) part(amount float64) resource {
	out := resource{}
	for k, v := range r {
		out[k] = v
	}
	out["scalar"] = object{"value": amount}
	return out
}

// carve returns these resources out of an offer; false if a single resource has less.
func (o *offer) carve(cpus, mem float64) ([]resource, bool) {
	var out []resource
	for _, want := range []struct {
		name   string
		amount float64
	}{{"cpus", cpus}, {"mem", mem}} {
		i := slices.IndexFunc(o.Resources, func(r resource) bool { return r.name() == want.name && r.scalar() >= want.amount })
		if i < 0 {
			return nil, false
		}
		out = append(out, o.Resources[i].part(want.amount))
	}
	return out, true
}

type status struct {
	TaskID     id     `json:"task_id"`
	AgentID    *id    `json:"agent_id"`
	ExecutorID *id    `json:"executor_id"`
	State      string `json:"state"`
	Reason     string `json:"reason"`
	Source     string `json:"source"`
	Message    string `json:"message"`
	UUID       string `json:"uuid"`
	Data       string `json:"data"`
}

func (s status) String() string {
	out := s.State
	if s.Reason != "" {
		out += " " + s.Reason
	}
	if s.Message != "" {
		out += fmt.Sprintf(" %.120q", s.Message)
	}
	if s.UUID == "" {
		out += " (without uuid)"
	}
	return out
}

func (s status) terminal() bool {
	return slices.Contains([]string{
		"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_LOST",
	}, s.State)
}

type failure struct {
	AgentID    *id  `json:"agent_id"`
	ExecutorID *id  `json:"executor_id"`
	Status     *int `json:"status"`
}

// exit returns the exit code; -1 if a signal ended the process or there is no status.
func (f failure) exit() int {
	if f.Status == nil || *f.Status&0x7f != 0 {
		return -1
	}
	return *f.Status >> 8
}
