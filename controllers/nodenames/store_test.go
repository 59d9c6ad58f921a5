package nodenames

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestNamesAreRecorded(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	if _, known, err := f.Names.Get(ctx, nodeName); known || err != nil {
		t.Fatalf("known before it is recorded: %t, %v", known, err)
	}
	if err := f.Names.SetLive(ctx, nodeName, noon.Add(1500*time.Millisecond), false); err != nil {
		t.Fatal(err)
	}
	if entry, _, _ := f.Names.Get(ctx, nodeName); entry.Removed || !entry.Until.Equal(noon.Add(time.Second)) {
		t.Errorf("recorded %+v", entry)
	}
	if _, removed, _ := f.Names.IsRemoved(ctx, nodeName, noon); removed {
		t.Error("a live name counts as removed")
	}
	f.setRemoved(nodeName, noon.Add(time.Hour))
	for at, want := range map[time.Duration]bool{0: true, time.Hour - time.Second: true, time.Hour: false} {
		if until, removed, _ := f.Names.IsRemoved(ctx, nodeName, noon.Add(at)); removed != want || !until.Equal(noon.Add(time.Hour)) {
			t.Errorf("after %s removed is %t until %s, want %t", at, removed, until, want)
		}
	}
	shard := &corev1.ConfigMap{}
	if err := f.Names.Live.Get(ctx, f.Names.key(shardOf(nodeName)), shard); err != nil {
		t.Fatal(err)
	}
	if shard.Labels[v1alpha1.LabelNodeNames] != "true" {
		t.Errorf("the policies do not find the ConfigMap by its labels %v", shard.Labels)
	}
}

func TestNothingIsWrittenForANameOnRecord(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.setRemoved(nodeName, noon.Add(time.Hour))
	}
	if f.writes != 1 {
		t.Errorf("%d writes, want 1", f.writes)
	}
}

func TestALiveNameIsWrittenOnlyIfItMustBeKeptLonger(t *testing.T) {
	f := newFixture(t)
	for _, step := range []struct {
		until  time.Duration
		taint  bool
		writes int
	}{
		{until: 365 * 24 * time.Hour, taint: true, writes: 1}, // before the certificate is on record
		{until: 14 * 24 * time.Hour, taint: true, writes: 1},
		{until: 25 * 24 * time.Hour, taint: true, writes: 1}, // a renewal
		{until: 400 * 24 * time.Hour, taint: true, writes: 2},
		{until: 14 * 24 * time.Hour, taint: false, writes: 3},
	} {
		if err := f.Names.SetLive(t.Context(), nodeName, noon.Add(step.until), step.taint); err != nil {
			t.Fatal(err)
		}
		if f.writes != step.writes {
			t.Errorf("%+v: %d writes", step, f.writes)
		}
	}
	f.setRemoved(nodeName, noon.Add(time.Hour))
	if entry, _, _ := f.Names.Get(t.Context(), nodeName); !entry.Removed || !entry.Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("removed is recorded as %+v", entry)
	}
}

func TestWritesAreRepeatedAfterConflicts(t *testing.T) {
	f := newFixture(t)
	f.setRemoved(nodeName, noon.Add(time.Hour))
	f.conflicts = 3
	f.setRemoved(nodeName, noon.Add(2*time.Hour))
	f.conflicts = 1000
	if err := f.Names.SetRemoved(t.Context(), nodeName, noon.Add(3*time.Hour)); err == nil || errors.Unwrap(err) != nil {
		t.Errorf("got %v, want an error that names the conflicts", err)
	}
}
