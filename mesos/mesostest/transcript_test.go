package mesostest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A transcript is an exchange with a real Mesos 1.11.1, recorded: its first line
// says with which flags, each further one is a request, a response, an event, the
// end of a stream, or a note on what was done.
type transcript struct {
	name        string
	masterFlags []string
	agentFlags  [][]string
	lines       []line
}

type line struct {
	number  int
	T       int               `json:"t"` // ms since the beginning
	Conn    string            `json:"conn"`
	Kind    string            `json:"kind"`
	Req     int               `json:"req"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    any               `json:"body"`
	Status  int               `json:"status"`
	Hex     string            `json:"hex"` // of a raw read
}

func (l line) at() time.Duration { return time.Duration(l.T) * time.Millisecond }

func readTranscript(t *testing.T, name string) transcript {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := transcript{name: name}
	in := bufio.NewScanner(file)
	in.Buffer(nil, 1<<24)
	for number := 1; in.Scan(); number++ {
		if number == 1 {
			var head struct {
				MasterFlags []string   `json:"master_flags"`
				AgentFlags  [][]string `json:"agent_flags"`
			}
			if err := json.Unmarshal(in.Bytes(), &head); err != nil {
				t.Fatal(err)
			}
			out.masterFlags, out.agentFlags = head.MasterFlags, head.AgentFlags
			continue
		}
		l := line{number: number}
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("%s:%d: %v", name, number, err)
		}
		out.lines = append(out.lines, l)
	}
	return out
}

// flagValue of --name=value.
func flagValue(flags []string, name string) string {
	for _, f := range flags {
		if v, ok := strings.CutPrefix(f, "--"+name+"="); ok {
			return v
		}
	}
	return ""
}

// durationFlag in seconds, such as 5secs; 0 if there is none.
func durationFlag(flags []string, name string) time.Duration {
	seconds, _ := strconv.Atoi(strings.TrimSuffix(flagValue(flags, name), "secs"))
	return time.Duration(seconds) * time.Second
}

// agentTimeout by the flags on pings, and the share of a ping that passes before the
// first one is missed.
func agentTimeout(flags []string) time.Duration {
	pings, _ := strconv.Atoi(flagValue(flags, "max_agent_ping_timeouts"))
	ping := durationFlag(flags, "agent_ping_timeout")
	return time.Duration(pings)*ping + 2*ping/5
}

// answers reports whether the request got an answer.
func (tr transcript) answers(request int) bool {
	return slices.ContainsFunc(tr.lines, func(l line) bool { return l.Kind == "response" && l.Req == request })
}

// resourcesFlag is --resources with the ports that an agent has if the flag does not name
// them.
func resourcesFlag(flags []string) string {
	resources := flagValue(flags, "resources")
	if !strings.Contains(resources, "ports:") {
		resources += ";ports:[31000-32000]"
	}
	return resources
}

// domainFlag of --domain, which is JSON.
func domainFlag(flags []string) Domain {
	var d any
	if json.Unmarshal([]byte(flagValue(flags, "domain")), &d) != nil {
		return Domain{}
	}
	region, _ := fieldAt(d, "fault_domain", "region", "name").(string)
	zone, _ := fieldAt(d, "fault_domain", "zone", "name").(string)
	return Domain{Region: region, Zone: zone}
}

// translation maps names that a real cluster gave to those that ours gave in their
// place: IDs, uuids, directories.
type translation struct{ ours map[string]string }

// madeUp finds IDs: they have a UUID in them.
var madeUp = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-[SO]?[0-9]+)?`)

// translateText translates all that is known in a text.
func (tr translation) translateText(s string) string {
	if ours, ok := tr.ours[s]; ok {
		return ours
	}
	for theirs, ours := range tr.ours {
		if strings.HasPrefix(theirs, "/") {
			s = strings.ReplaceAll(s, theirs, ours)
		}
	}
	return madeUp.ReplaceAllStringFunc(s, func(id string) string {
		if ours, ok := tr.ours[id]; ok {
			return ours
		}
		return id
	})
}

// translateCredentials translates a header, and the token in it.
func (tr translation) translateCredentials(header string) string {
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		return "Bearer " + tr.translateText(token)
	}
	return tr.translateText(header)
}

// translate translates all texts in decoded JSON.
func (tr translation) translate(v any) any {
	switch v := v.(type) {
	case string:
		return tr.translateText(v)
	case object:
		out := object{}
		for name, field := range v {
			out[name] = tr.translate(field)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = tr.translate(v[i])
		}
		return out
	}
	return v
}

// anyTime are fields that differ from run to run. Of them only the presence counts.
var anyTime = []string{
	"timestamp", "registered_time", "reregistered_time", "unregistered_time", "nanoseconds",
	"executor_pid", "build_date", "build_time", "build_user", "start_time", "elected_time",
}

// notOurs are fields that a real master has and ours has not: Mesos 1.11's that the
// messages do not know, and fields that no client reads.
var notOurs = []string{".offer_constraints", ".healthy", "agent_info.checkpoint", "recovered_agents[0].checkpoint", "version_info.build_date", "version_info.build_time", "version_info.build_user"}

// compare returns how an answer differs from the recorded one, and learns on the way
// which of our IDs stands for which recorded one.
func (tr translation) compare(path string, want, got any) []string {
	switch want := want.(type) {
	case object:
		got, ok := got.(object)
		if !ok {
			return []string{fmt.Sprintf("%s: got %v, want %v", path, got, want)}
		}
		return tr.compareObjects(path, want, got)
	case []any:
		list, ok := got.([]any)
		want = withoutEmpty(want)
		if !ok || len(list) != len(want) {
			return []string{fmt.Sprintf("%s: got %v, want %v", path, got, want)}
		}
		tr.align(want, list)
		var diffs []string
		for i := range want {
			diffs = append(diffs, tr.compare(fmt.Sprintf("%s[%d]", path, i), want[i], list[i])...)
		}
		return diffs
	case string:
		got, ok := got.(string)
		if ok && tr.learnName(path, want, got) {
			return nil
		}
		// Messages that dump protobufs are alike in their first line.
		if head, _, cut := strings.Cut(want, "\n---"); cut {
			want, got = head, strings.Split(got, "\n---")[0]
		}
		tr.learnWithin(want, got)
		if tr.translateText(want) != got {
			return []string{fmt.Sprintf("%s: got %q, want %q", path, got, tr.translateText(want))}
		}
	default:
		if fmt.Sprint(want) != fmt.Sprint(got) {
			return []string{fmt.Sprintf("%s: got %v, want %v", path, got, want)}
		}
	}
	return nil
}

func (tr translation) compareObjects(path string, want, got object) []string {
	var diffs []string
	for name, field := range want {
		missing := func(suffix string) bool { return strings.HasSuffix(path+"."+name, suffix) }
		if slices.ContainsFunc(notOurs, missing) {
			continue
		}
		value, ok := got[name]
		switch {
		case !ok:
			diffs = append(diffs, fmt.Sprintf("%s.%s: missing, want %v", path, name, field))
		case !slices.Contains(anyTime, name):
			diffs = append(diffs, tr.compare(path+"."+name, field, value)...)
		}
	}
	for name, field := range got {
		if _, ok := want[name]; !ok {
			diffs = append(diffs, fmt.Sprintf("%s.%s: unexpected %v", path, name, field))
		}
	}
	return diffs
}

// learnName takes our name for a made-up one that is seen for the first time.
func (tr translation) learnName(path, want, got string) bool {
	made := madeUp.FindString(want) == want || strings.HasSuffix(path, "uuid") || strings.HasSuffix(path, "uuid.value") ||
		strings.HasSuffix(path, "_TOKEN")
	if _, known := tr.ours[want]; !made || known {
		return false
	}
	tr.ours[want] = got
	return true
}

// learnWithin learns from texts that have made-up names in the same places.
func (tr translation) learnWithin(want, got string) {
	theirs, ours := madeUp.FindAllString(want, -1), madeUp.FindAllString(got, -1)
	if len(theirs) != len(ours) {
		return
	}
	for i := range theirs {
		if _, known := tr.ours[theirs[i]]; !known {
			tr.ours[theirs[i]] = ours[i]
		}
	}
}

// align sorts lists whose order means nothing: by what names their elements.
func (tr translation) align(want, got []any) {
	name := func(v any) string {
		for _, path := range [][]any{
			{"hostname"}, {"id", "hostname"}, {"agent_info", "hostname"}, {"name"}, {"framework_info", "name"}, {"executor_info", "executor_id", "value"}, {"value"}, {"key"}, {"role"},
		} {
			if s, ok := fieldAt(v, path...).(string); ok {
				role, _ := fieldAt(v, "allocation_info", "role").(string)
				return tr.translateText(s) + " " + role + fmt.Sprint(fieldAt(v, "reservations"))
			}
		}
		return ""
	}
	byName := func(a, b any) int { return strings.Compare(name(a), name(b)) }
	slices.SortStableFunc(want, byName)
	slices.SortStableFunc(got, byName)
}

// withoutEmpty drops empty objects: capabilities that the JSON of the v1 API has no
// name for.
func withoutEmpty(list []any) []any {
	return slices.DeleteFunc(slices.Clone(list), func(v any) bool {
		o, ok := v.(object)
		return ok && len(o) == 0
	})
}
