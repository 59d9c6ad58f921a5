package session

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/placement"
)

func TestRecordReaderReadsInAnyChunks(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3<<20)
	stream := fmt.Sprintf("5\nhello0\n1\n\n%d\n%s3\nend", len(long), long)
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(stream),
		"byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
		"halves":       iotest.HalfReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newRecordReader(r)
			for _, want := range []string{"hello", "\n", long, "end"} {
				got, err := d.ReadFrame()
				if err != nil || string(got) != want {
					t.Fatalf("got %d bytes, %v; want %d bytes", len(got), err, len(want))
				}
			}
			if _, err := d.ReadFrame(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

func TestRecordReaderRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stream string
		want   error
	}{
		"no digits":              {"\n", errMalformed},
		"letters":                {"5x\nhello", errMalformed},
		"a sign":                 {"+5\nhello", errMalformed},
		"too long":               {"67108865\n", errMalformed},
		"beyond 63 bits":         {"18446744073709551615\n", errMalformed},
		"leading zeros for ever": {strings.Repeat("0", 30), errMalformed},
		"cut in the length":      {"5", io.ErrUnexpectedEOF},
		"cut in the record":      {"5\nhell", io.ErrUnexpectedEOF},
		"cut before the record":  {"5\n", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := newRecordReader(strings.NewReader(tc.stream)).ReadFrame(); !errors.Is(err, tc.want) {
				t.Errorf("got %q, %v; want %v", got, err, tc.want)
			}
		})
	}
}

// A record that announces much and sends little must not take memory for it.
func TestRecordReaderAllocatesWhatHasCome(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		_, _ = newRecordReader(strings.NewReader("67108864\nshort")).ReadFrame()
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 20<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

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
	o, err := placement.ParseOffer(&decodeBase64(t, offers).GetOffers().GetOffers()[0])
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

func decodeBase64(t *testing.T, s string) *scheduler.Event {
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

func FuzzRecordReader(f *testing.F) {
	for _, s := range []string{"5\nhello", "0\n0\n", "18446744073709551615\n", "5\nhe", "", "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		d := newRecordReader(bytes.NewReader(stream))
		for range len(stream) + 1 {
			record, err := d.ReadFrame()
			if err != nil {
				return
			}
			if len(record) == 0 {
				t.Fatal("an empty record")
			}
		}
		t.Fatal("more records than bytes")
	})
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
