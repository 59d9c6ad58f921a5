package apiserver

import (
	"fmt"
	"strings"
	"testing"
)

func TestPodCIDRs(t *testing.T) {
	for body, want := range map[string]string{
		`{"spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:1::/64"]}}`: "[10.244.1.0/24 fd00:1::/64]",
		`{"spec": {}}`:                        "[]",
		`{"spec": {"podCIDRs": ["nowhere"]}}`: "error",
		`[]`:                                  "error",
	} {
		got, err := parsePodCIDRs(strings.NewReader(body))
		if text := fmt.Sprint(got); err == nil && text != want || err != nil && want != "error" {
			t.Errorf("%s: %s, %v", body, text, err)
		}
	}
}
