package session

import (
	"encoding/base64"
	"maps"
	"testing"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/placement"
)

// Records of a real Mesos 1.11.1, in protobuf.
func TestDecodeEventReadsWhatMesosWrites(t *testing.T) {
	t.Parallel()
	subscribed := "CAEStwEKKwopM2ZjZGI4ZWItYzM0YS00MTg4LWJiZDgtZTg2YjQ1ZTYyZmEzLTAwMDARAAAAAAAALkAafwokM2ZjZGI4ZWItYzM0YS00MTg4LWJiZDgtZTg2YjQ1ZTYyZmEz" +
		"EP+AgAgYuiciFW1hc3RlckAxMjcuMC4wLjE6NTA1MCoJMTI3LjAuMC4xMgYxLjExLjE6GQoJMTI3LjAuMC4xEgkxMjcuMC4wLjEYuidKAggBSgIIAkoCCAM="
	offers := "CAIaoAMKnQMKKQonM2ZjZGI4ZWItYzM0YS00MTg4LWJiZDgtZTg2YjQ1ZTYyZmEzLU8wEisKKTNmY2RiOGViLWMzNGEtNDE4OC1iYmQ4LWU4NmI0NWU2MmZhMy0wMDAwGikK" +
		"JzNmY2RiOGViLWMzNGEtNDE4OC1iYmQ4LWU4NmI0NWU2MmZhMy1TMCIPYWdlbnQtMS5leGFtcGxlKiAKBXBvcnRzEAEiCgoICJjyARCA+gFaCQoHZXhhbXBsZSoeCgRjcHVzEAAa" +
		"CQkAAAAAAAAQQFoJCgdleGFtcGxlKh0KA21lbRAAGgkJAAAAAAAAsEBaCQoHZXhhbXBsZSoeCgRkaXNrEAAaCQkAAAAAAADEQFoJCgdleGFtcGxlOg4KBHJhY2sQAyoECgJyMToU" +
		"CgVzbG90cxAAGgkJAAAAAAAAIEA6IAoKcG9ydHNfb3BlbhABIhAKBgjoBxDPDwoGCLgXEJ8fQjMKBGh0dHASIAoPYWdlbnQtMS5leGFtcGxlEgoxMjcuMC4wLjExGLsnGgkvc2xh" +
		"dmUoMSlSCQoHZXhhbXBsZQ=="
	if e := decodeBase64(t, subscribed); e.GetSubscribed().GetMasterInfo().GetVersion() != "1.11.1" {
		t.Errorf("SUBSCRIBED is read as %v", e)
	}
	o, err := placement.ParseOffer(&decodeBase64(t, offers).GetOffers().GetOffers()[0], "")
	if err != nil {
		t.Fatal(err)
	}
	if want := (placement.Resources{CPUs: 4, MemMiB: 4096, DiskMiB: 10240, Ports: 1001}); o.Resources() != want {
		t.Errorf("resources %+v, want %+v", o.Resources(), want)
	}
	if want := map[string]string{"rack": "r1", "slots": "8", "ports_open": "[1000-1999,3000-3999]"}; !maps.Equal(o.Attributes(), want) {
		t.Errorf("attributes %v, want %v", o.Attributes(), want)
	}
	if o.Role != "example" || o.Agent.Address != "127.0.0.11" || o.Agent.Hostname != "agent-1.example" {
		t.Errorf("role %s of agent %+v", o.Role, o.Agent)
	}
}

func decodeBase64(t *testing.T, s string) *schedulerpb.Event {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	e, err := decodeEvent(b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func FuzzDecodeEvent(f *testing.F) {
	for _, s := range []string{"\x08\x08", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		if e, err := decodeEvent(record); (e == nil) == (err == nil) {
			t.Fatalf("event %v and error %v", e, err)
		}
	})
}
