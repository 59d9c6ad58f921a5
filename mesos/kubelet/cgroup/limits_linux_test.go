package cgroup

import (
	"os"
	"strconv"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestBoundsThatMesosSetsAreKept(t *testing.T) {
	tests := map[string]struct{ there, want map[string]string }{
		"version 1 without bounds": {
			there: map[string]string{"cpu.shares": "1024", "memory.limit_in_bytes": strconv.FormatInt(noLimit(), 10)},
			want:  map[string]string{"cpu.shares": "512", "memory.limit_in_bytes": "67108864"},
		},
		"version 1 with bounds above the allocation": {
			there: map[string]string{"cpu.shares": "614", "memory.limit_in_bytes": "100663296"},
			want:  map[string]string{"cpu.shares": "614", "memory.limit_in_bytes": "100663296"},
		},
		"version 2 without bounds": {
			there: map[string]string{"cpu.weight": "100", "memory.max": "max"},
			want:  map[string]string{"cpu.weight": "50", "memory.max": "67108864"},
		},
		"version 2 with a bound for memory": {
			there: map[string]string{"cpu.weight": "100", "memory.max": "100663296"},
			want:  map[string]string{"cpu.weight": "50", "memory.max": "100663296"},
		},
		"a hierarchy without cpu and memory": {},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := Hierarchy{Mount: t.TempDir()}
			for file, value := range tc.there {
				kubelettest.Must(t, os.WriteFile(h.Dir(file), []byte(value+"\n"), 0o644))
			}
			kubelettest.Must(t, (&Container{Path: "/", Hierarchies: []Hierarchy{h}}).SetLimits(0.5, 64<<20))
			for file, want := range tc.want {
				if got := kubelettest.Content(h.Dir(file)); got != want {
					t.Errorf("%s is %s, want %s", file, got, want)
				}
			}
		})
	}
}

func TestLimitsOfExtremeAllocations(t *testing.T) {
	for name, tc := range map[string]struct {
		cpus           float64
		shares, weight string
	}{
		"hardly any CPU": {0.0001, "2", "1"},
		"a huge machine": {1000, "1024000", "10000"},
		"a single core":  {1, "1024", "100"},
	} {
		t.Run(name, func(t *testing.T) {
			h := Hierarchy{Mount: t.TempDir()}
			kubelettest.Must(t, os.WriteFile(h.Dir("cpu.shares"), []byte("1024\n"), 0o644), os.WriteFile(h.Dir("cpu.weight"), []byte("100\n"), 0o644))
			kubelettest.Must(t, (&Container{Path: "/", Hierarchies: []Hierarchy{h}}).SetLimits(tc.cpus, 1<<20))
			if shares, weight := kubelettest.Content(h.Dir("cpu.shares")), kubelettest.Content(h.Dir("cpu.weight")); shares != tc.shares || weight != tc.weight {
				t.Errorf("shares %s, weight %s, want %s and %s", shares, weight, tc.shares, tc.weight)
			}
		})
	}
}
