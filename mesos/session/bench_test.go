package session_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	mesosgo "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// BenchmarkLaunch1000 measures from the first demand to a thousand running tasks, over real
// HTTP, with a store that takes 5 ms for each intent.
func BenchmarkLaunch1000(b *testing.B) {
	for b.Loop() {
		launchThousand(b)
	}
}

func launchThousand(b *testing.B) {
	b.Helper()
	b.StopTimer()
	m, err := mesostest.NewMaster(mesostest.MasterOptions{AllocationInterval: 200 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	for range 100 {
		o := mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), WorkDir: b.TempDir(), Resources: "cpus:16;mem:65536;disk:1;ports:[31000-32000]"}
		if _, err := m.AddAgent(o); err != nil {
			b.Fatal(err)
		}
	}
	store := newMemoryStore()
	store.prepareTime = 5 * time.Millisecond
	cfg := config(store, m.Addr())
	cfg.Timing = scheduler.Timing{}
	s, err := session.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	b.StartTimer()
	for i := range 1000 {
		s.AddDemand(demand(i))
	}
	for store.countInState(scheduler.TaskRunning) < 1000 {
		time.Sleep(5 * time.Millisecond)
	}
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	closeAll(b, m)
	b.StartTimer()
}

func closeAll(b *testing.B, c io.Closer) {
	b.Helper()
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDecode decodes the bytes of a stream to events.
func BenchmarkDecode(b *testing.B) {
	state, message := mesosgo.TASK_RUNNING, "a message as long as they usually are"
	update := eventRecord(b, schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: mesosgo.TaskStatus{
		TaskID: mesosgo.TaskID{Value: "general-00001.1a2b3c4d.1"}, State: &state, Message: &message,
		AgentID: &mesosgo.AgentID{Value: "b8ee7be9-8d5c-4a0b-9c38-6a9c6a1e3b52-S1"}, UUID: make([]byte, 16),
	}}})
	for name, stream := range map[string]string{
		"10000 offers in one event": offersRecord(b, 10_000),
		"10000 updates":             strings.Repeat(update, 10_000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				records := recordio.NewReader(strings.NewReader(stream), recordio.MaxMasterRecord)
				for {
					record, err := records.ReadRecord()
					if errors.Is(err, io.EOF) {
						break
					}
					if err == nil {
						err = recordio.Decode(record, &schedulerpb.Event{}, "an event")
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
