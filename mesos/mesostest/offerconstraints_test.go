package mesostest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
)

// updateFramework makes an UPDATE_FRAMEWORK with the fields besides framework_info, and
// returns the answer's status and body.
func (b *virtualCluster) updateFramework(info object, fields object) (int, string) {
	b.Helper()
	info["id"] = value(b.frameworkID)
	update := object{"framework_info": info}
	for name, field := range fields {
		update[name] = field
	}
	response := b.post(b.master.URL()+pathScheduler, map[string]string{"Mesos-Stream-Id": b.streamID},
		object{"type": "UPDATE_FRAMEWORK", "framework_id": value(b.frameworkID), "update_framework": update})
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// offered reports whether an offer comes within some passes of the allocator, and
// declines it.
func (b *virtualCluster) offered() bool {
	b.Helper()
	var ids []any
	for _, event := range b.drain(3 * time.Second) {
		if offers, ok := fieldAt(event, "offers", "offers").([]any); ok {
			for _, o := range offers {
				ids = append(ids, fieldAt(o, "id"))
			}
		}
	}
	if len(ids) > 0 {
		b.call("DECLINE", object{"decline": object{"offer_ids": ids, "filters": object{"refuse_seconds": 0}}})
	}
	return len(ids) > 0
}

// constraint on a role's agents: one group of one constraint.
func constraint(role string, selector, predicate object) object {
	return object{"offer_constraints": object{"role_constraints": object{role: object{
		"groups": []object{{"attribute_constraints": []object{{"selector": selector, "predicate": predicate}}}},
	}}}}
}

func TestOfferConstraints(t *testing.T) {
	named := func(name string) object { return object{"attribute_name": name} }
	pseudo := func(kind string) object { return object{"pseudoattribute_type": kind} }
	text := func(predicate, text string) object {
		if strings.HasSuffix(predicate, "matches") {
			return object{predicate: object{"regex": text}}
		}
		return object{predicate: value(text)}
	}
	for name, test := range map[string]struct {
		selector, predicate object
		want                bool
	}{
		"an attribute that exists":                   {named("rack"), object{"exists": object{}}, true},
		"an attribute that does not exist":           {named("row"), object{"exists": object{}}, false},
		"not_exists of a missing attribute":          {named("row"), object{"not_exists": object{}}, true},
		"not_exists of an attribute that exists":     {named("rack"), object{"not_exists": object{}}, false},
		"an equal text":                              {named("rack"), text("text_equals", "r1"), true},
		"another text":                               {named("rack"), text("text_equals", "r2"), false},
		"text_not_equals of an equal text":           {named("rack"), text("text_not_equals", "r1"), false},
		"text_not_equals of a missing attribute":     {named("row"), text("text_not_equals", "r1"), true},
		"a pattern":                                  {named("rack"), text("text_matches", "r[0-9]"), true},
		"a pattern that matches only a part":         {named("rack"), text("text_matches", "r"), false},
		"text_not_matches of a pattern that matches": {named("rack"), text("text_not_matches", "r[0-9]"), false},
		"text_equals of a scalar is true":            {named("slots"), text("text_equals", "9"), true},
		"text_not_equals of a scalar is true too":    {named("slots"), text("text_not_equals", "8"), true},
		"the hostname":                               {pseudo("HOSTNAME"), text("text_matches", "agent-1\\..*"), true},
		"the region":                                 {pseudo("REGION"), text("text_equals", "north"), true},
		"the zone":                                   {pseudo("ZONE"), text("text_not_equals", "z1"), false},
	} {
		t.Run(name, func(t *testing.T) {
			o := AgentOptions{Attributes: "rack:r1;slots:8", Domain: Domain{Region: "north", Zone: "z1"}}
			inVirtualTime(t, frameworkInfo("a"), o, func(b *virtualCluster) {
				b.offered()
				if status, body := b.updateFramework(frameworkInfo("a"), constraint("a", test.selector, test.predicate)); status != http.StatusOK {
					t.Fatalf("got %d: %s", status, body)
				}
				b.drain(time.Second) // of the offer that was declined before
				if got := b.offered(); got != test.want {
					t.Errorf("offered: %t, want %t", got, test.want)
				}
			})
		})
	}
}

func TestOfferConstraintsOfRoles(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Attributes: "rack:r1"}, func(b *virtualCluster) {
		b.offered()
		other := constraint("b", object{"attribute_name": "row"}, object{"exists": object{}})
		if status, body := b.updateFramework(frameworkInfo("a"), other); status != http.StatusOK {
			t.Errorf("got %d of another role's: %s", status, body)
		}
		if !b.offered() {
			t.Error("another role's constraints keep offers away")
		}
		own := constraint("a", object{"attribute_name": "row"}, object{"exists": object{}})
		b.updateFramework(frameworkInfo("a"), own)
		b.drain(time.Second)
		if b.offered() {
			t.Error("constraints that nothing fulfils keep nothing away")
		}
		if status, _ := b.updateFramework(frameworkInfo("a"), constraint("a", object{"attribute_name": "rack"}, object{})); status != http.StatusBadRequest {
			t.Errorf("got %d of no predicate", status)
		}
		if b.offered() {
			t.Error("a refused update has lifted the constraints")
		}
		b.updateFramework(frameworkInfo("a"), nil)
		if !b.offered() {
			t.Error("an update without any has not lifted the constraints")
		}
	})
}

// field of a protobuf message, a length-delimited one.
func field(number int, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	out := binary.AppendUvarint(nil, uint64(number)<<3|2)
	out = binary.AppendUvarint(out, uint64(len(body)))
	return append(out, body...)
}

func TestOfferConstraintsInProtobuf(t *testing.T) {
	hostname := []byte{1 << 3, 1} // pseudoattribute_type: HOSTNAME
	for name, test := range map[string]struct {
		selector, predicate []byte
		want                string
	}{
		"by attribute":                     {field(2, []byte("rack")), field(3, field(1, []byte("r1"))), "SUBSCRIBED OFFERS"},
		"by attribute, which no agent has": {field(2, []byte("rack")), field(4, field(1, []byte("r1"))), "SUBSCRIBED"},
		"by pseudo-attribute":              {hostname, field(5, field(1, []byte("agent.*"))), "SUBSCRIBED OFFERS"},
		"by existence":                     {field(2, []byte("row")), field(1), "SUBSCRIBED"},
		"an unknown predicate":             {field(2, []byte("rack")), field(9), "ERROR"},
		"an unknown pseudo-number":         {[]byte{1 << 3, 77}, field(1), "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("unused"), AgentOptions{Attributes: "rack:r1"}, func(b *virtualCluster) {
				b.call("TEARDOWN", nil)
				call := &schedulerpb.Call{Type: schedulerpb.Call_SUBSCRIBE, Subscribe: &schedulerpb.Call_Subscribe{
					FrameworkInfo: &mesos.FrameworkInfo{User: "root", Name: "test", Roles: []string{"a"}, Capabilities: []mesos.FrameworkInfo_Capability{
						{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE},
					}},
				}}
				raw, err := call.Subscribe.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				group := field(1, field(1, test.selector), field(2, test.predicate))
				entry := field(1, field(1, []byte("a")), field(2, field(1, group)))
				body := append([]byte{2 << 3, byte(schedulerpb.Call_SUBSCRIBE)}, field(3, raw, field(3, entry))...)
				s := b.subscribe(b.master.URL()+pathScheduler, map[string]string{"Content-Type": codec.MediaProtobuf}, body)
				var got []string
				for _, event := range s.drain(3 * time.Second) {
					if event["type"] != "HEARTBEAT" {
						got = append(got, event["type"].(string))
					}
				}
				if strings.Join(got, " ") != test.want {
					t.Errorf("got %v, want %s", got, test.want)
				}
			})
		})
	}
}

func TestMalformedConstraintsInProtobuf(t *testing.T) {
	for name, raw := range map[string][]byte{
		"a truncated field":       {3<<3 | 2, 10, 1},
		"an endless number":       bytes.Repeat([]byte{0x80}, 20),
		"an unknown wire type":    {3<<3 | 7},
		"a length that overflows": append([]byte{3<<3 | 2}, bytes.Repeat([]byte{0xff}, 9)...),
	} {
		t.Run(name, func(t *testing.T) {
			var c offerconstraints.Call
			if err := c.Unmarshal(raw); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestFiltersEnd(t *testing.T) {
	two := func() object {
		info := frameworkInfo("a")
		info["roles"] = []string{"a"}
		return info
	}
	for name, test := range map[string]struct {
		end  func(b *virtualCluster)
		want bool
	}{
		"filters do not end without a call": {func(*virtualCluster) {}, false},
		"filters do not end at REVIVE of another role": {func(b *virtualCluster) {
			b.call("REVIVE", object{"revive": object{"roles": []string{"a", "b"}}})
		}, false},
		"filters end at REVIVE":                  {func(b *virtualCluster) { b.call("REVIVE", nil) }, true},
		"filters do not end at UPDATE_FRAMEWORK": {func(b *virtualCluster) { b.updateFramework(two(), nil) }, false},
		"filters end at an update that ends a suppression": {func(b *virtualCluster) {
			b.updateFramework(two(), object{"suppressed_roles": []string{"a"}})
			b.updateFramework(two(), nil)
		}, true},
		"filters do not end at an update that suppresses": {func(b *virtualCluster) {
			b.updateFramework(two(), object{"suppressed_roles": []string{"a"}})
		}, false},
		"filters end with a disconnection": {func(b *virtualCluster) {
			b.master.CloseStreams()
			time.Sleep(time.Second)
			b.again(two())
		}, true},
		"filters do not end at a fail-over of schedulers": {func(b *virtualCluster) { b.again(two()) }, false},
		"filters end when the role is left and joined": {func(b *virtualCluster) {
			info := two()
			info["roles"] = []string{}
			b.updateFramework(info, nil)
			b.updateFramework(two(), nil)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, two(), AgentOptions{}, func(b *virtualCluster) {
				o := b.offers()[0]
				b.call("DECLINE", object{"decline": object{"offer_ids": []any{fieldAt(o, "id")}, "filters": object{"refuse_seconds": 1000}}})
				if b.offered() {
					t.Fatal("the filter keeps nothing away")
				}
				test.end(b)
				if got := b.offered(); got != test.want {
					t.Errorf("offered again: %t, want %t", got, test.want)
				}
			})
		})
	}
}

// again subscribes with the same ID.
func (b *virtualCluster) again(info object) {
	info["id"] = value(b.frameworkID)
	b.testScheduler = subscribeThrough(b.httpClient, b.master, info)
}

func TestMastersRememberFewRemovedFrameworks(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.call("TEARDOWN", nil)
		for range maxCompleted {
			s := subscribeThrough(b.httpClient, b.master, frameworkInfo("a"))
			s.call("TEARDOWN", nil)
		}
		b.again(frameworkInfo("a")) // fails unless it is forgotten
	})
}

func FuzzSchedulerCall(f *testing.F) {
	raw, _ := json.Marshal(object{"type": "SUBSCRIBE", "subscribe": constraint("a", object{"attribute_name": "x"}, object{"exists": object{}})})
	f.Add(raw)
	f.Add(append([]byte{2 << 3, 1}, field(3, field(3, field(1, field(1, []byte("a")))))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, mediaType := range []string{codec.MediaJSON, codec.MediaProtobuf} {
			var c offerconstraints.Call
			if codec.Decode(mediaType, data, &c, "Call") == nil {
				_, _ = c.Constraints.Compile()
			}
		}
	})
}

func TestOlderMastersIgnoreConstraints(t *testing.T) {
	for version, offered := range map[string]bool{"1.10.0": true, "1.11.0": false, "1.12.0-dev": false} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork()
				m := startMaster(t, MasterOptions{Listener: n.listen("127.0.0.1", 5050), Version: version})
				startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
				subscribe := constraint("a", object{"attribute_name": "row"}, object{"exists": object{}})
				subscribe["framework_info"] = frameworkInfo("a")
				s := httpClient{t, n.client()}.subscribe(m.URL()+pathScheduler, nil, object{"type": "SUBSCRIBE", "subscribe": subscribe})
				got := false
				for _, event := range s.drain(3 * time.Second) {
					got = got || event["type"] == "OFFERS"
				}
				if got != offered {
					t.Errorf("offered: %t, want %t", got, offered)
				}
			})
		})
	}
}
