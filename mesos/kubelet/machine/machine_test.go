package machine

import (
	"strings"
	"testing"
)

func TestDiskThatIsAlmostFull(t *testing.T) {
	m := Machine{DiskBytes: 10000 * mebibyte, FreeBytes: 499 * mebibyte}
	if err := m.CheckDisk("/var/lib/k8sm/n1", 500*mebibyte); err == nil || !strings.Contains(err.Error(), "499 MiB free of 10000, and the kubelet evicts pods below 500") {
		t.Errorf("error is %v", err)
	}
	m.FreeBytes = 500 * mebibyte
	if err := m.CheckDisk("/", 500*mebibyte); err != nil {
		t.Error(err)
	}
}

func TestCountCPUs(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-3": 4, "0-3,8,10-11": 7, "": 0, "x": 0, "3-1": 0} {
		if got, err := countCPUs(list); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q counts %d, error %v", list, got, err)
		}
	}
}

// A kubelet would evict its pods from the first moment on, so the margin itself is enough.
func TestDiskAtTheMargin(t *testing.T) {
	for name, tc := range map[string]struct {
		free, margin int64
		enough       bool
	}{
		"a byte less":          {99, 100, false},
		"the margin":           {100, 100, true},
		"no margin is wanted":  {0, 0, true},
		"a disk that is empty": {1 << 40, 1 << 30, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := (Machine{FreeBytes: tc.free}).CheckDisk("/state", tc.margin); (err == nil) != tc.enough {
				t.Errorf("error is %v", err)
			}
		})
	}
}
