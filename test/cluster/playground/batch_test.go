package playground

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

func TestBatchRunsTasksOnWhatItIsOffered(t *testing.T) {
	master, err := mesostest.NewMaster(mesostest.MasterOptions{AllocationInterval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = master.Close() }()
	for range 2 {
		if _, err := master.AddAgent(mesostest.AgentOptions{Resources: "cpus:2;mem:512", WorkDir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
	}
	p := &Playground{Master: master}
	batch := &Batch{Name: "batch", CPUs: 2, MemMiB: 100, Command: "sleep 1", Tasks: 3}
	if err := batch.Start(t.Context(), master.URL()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	mostUsed := 0.0
	err = Await(ctx, 50*time.Millisecond, func(ctx context.Context) error {
		agents, err := p.AgentViews(ctx)
		if err != nil {
			return Final(err)
		}
		for _, a := range agents {
			mostUsed = max(mostUsed, a.UsedCPUs)
		}
		if progress := batch.Progress(); progress.Finished < 3 {
			return errors.New("not all tasks have finished")
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v: %+v", err, batch.Progress())
	}
	if mostUsed != 2 {
		t.Errorf("the master saw %g cpus used on an agent, want 2", mostUsed)
	}
	if names, err := p.Frameworks(ctx); err != nil || len(names) != 1 || names[0] != "batch" {
		t.Errorf("frameworks are %v, %v; want batch", names, err)
	}
	if err := batch.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if names, err := p.Frameworks(ctx); err != nil || len(names) != 0 {
		t.Errorf("after Close frameworks are %v, %v; want none", names, err)
	}
}
