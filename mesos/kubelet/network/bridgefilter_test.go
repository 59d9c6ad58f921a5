package network

import (
	"errors"
	"os"
	"testing"
)

func TestReadBridgeFilter(t *testing.T) {
	denied := errors.New("permission denied")
	for name, tc := range map[string]struct {
		content string
		err     error
		want    BridgeFilter
		fails   bool
	}{
		"all bridges":                          {content: "1\n", want: FiltersAll},
		"none unless it is told to":            {content: "0\n", want: FiltersChosen},
		"the module br_netfilter is not there": {err: os.ErrNotExist, want: FiltersNone},
		"unreadable":                           {err: denied, want: FiltersNone, fails: true},
	} {
		got, err := ReadBridgeFilter(func(file string) ([]byte, error) {
			if file != "/proc/sys/net/bridge/bridge-nf-call-iptables" {
				t.Errorf("%s was read", file)
			}
			return []byte(tc.content), tc.err
		})
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
