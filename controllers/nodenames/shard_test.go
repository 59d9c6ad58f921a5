package nodenames

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestEntriesCanBeReadBack(t *testing.T) {
	for text, want := range map[string]Entry{
		"live 2026-03-01T12:00:00Z":    {Until: noon},
		"removed 2026-03-01T12:00:00Z": {Removed: true, Until: noon},

		"live 2026-03-01T12:00:00Z registration-taint": {Until: noon, RegistrationTaint: true},
	} {
		got, err := parseEntry(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "live", "removed soon", "gone 2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z", "live 2026-03-01T12:00:00Z and", "live 2026-03-01T12:00:00Z registration-taint and"} {
		if got, err := parseEntry(text); err == nil {
			t.Errorf("%q is %+v, want an error", text, got)
		}
	}
}

func TestTheMarkOfTheTaintGoesWithTheNode(t *testing.T) {
	entry := Entry{Removed: true, Until: noon, RegistrationTaint: true}
	if got := entry.String(); got != "removed 2026-03-01T12:00:00Z" {
		t.Errorf("a removed name is on record as %q", got)
	}
}

func TestAConfigMapIsBounded(t *testing.T) {
	data := map[string]string{}
	name := func(i int) string { return fmt.Sprintf("%s-%05d", strings.Repeat("a", 57), i) }
	for i := range maxNames / 2 {
		setEntry(data, name(i), Entry{Until: noon, RegistrationTaint: true})
	}
	for i := maxNames / 2; i < maxNames; i++ {
		setEntry(data, name(i), Entry{Removed: true, Until: noon.Add(time.Duration(maxNames-i) * time.Hour)})
	}
	size := 0
	for k, v := range data {
		size += len(k) + len(v)
	}
	if size > 900<<10 {
		t.Errorf("%d bytes of names and entries are close to the limit of a ConfigMap", size)
	}
	dropped := setEntry(data, "one-more", Entry{Removed: true, Until: noon.Add(time.Minute)})
	if diff := cmp.Diff([]string{name(maxNames - 1)}, dropped); diff != "" {
		t.Errorf("dropped is not the one that expires first (-want +got):\n%s", diff)
	}
	if len(data) != maxNames || data["one-more"] == "" {
		t.Errorf("%d names, want %d with the new one", len(data), maxNames)
	}
}

func TestLiveNamesAreNeverDropped(t *testing.T) {
	data := map[string]string{}
	for i := range maxNames + 2 {
		if dropped := setEntry(data, fmt.Sprint(i), Entry{Until: noon}); len(dropped) > 0 {
			t.Fatalf("dropped %v", dropped)
		}
	}
}

func TestNamesExpireWithTheirCertificates(t *testing.T) {
	data := map[string]string{
		"live":    Entry{Until: noon.Add(-time.Hour)}.String(),
		"expired": Entry{Removed: true, Until: noon}.String(),
		"soon":    Entry{Removed: true, Until: noon.Add(time.Minute)}.String(),
		"later":   Entry{Removed: true, Until: noon.Add(time.Hour)}.String(),
		"garbage": "hello",
	}
	removed, next := expire(data, noon)
	if removed != 2 || !next.Equal(noon.Add(time.Minute)) {
		t.Errorf("%d expired, the next at %s", removed, next)
	}
	for _, name := range []string{"live", "soon", "later"} {
		if data[name] == "" {
			t.Errorf("%s is gone", name)
		}
	}
	if removed, next := expire(map[string]string{}, noon); removed != 0 || !next.IsZero() {
		t.Errorf("of no names %d expired, the next at %s", removed, next)
	}
}

func TestNamesAreSpreadOverAllConfigMaps(t *testing.T) {
	count := map[int]int{}
	for i := range 1600 {
		count[shardOf(fmt.Sprintf("general-%05d", i))]++
	}
	for shard := range shardCount {
		if count[shard] < 50 || count[shard] > 200 {
			t.Errorf("%d of 1600 names are in ConfigMap %d", count[shard], shard)
		}
	}
}
