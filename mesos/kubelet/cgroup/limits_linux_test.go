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
		"version 1 with an executor's part on top": {
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
		"a hierarchy of neither": {},
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
