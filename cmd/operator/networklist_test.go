package main

import "testing"

func TestNetworkList(t *testing.T) {
	var list networkList
	if err := list.Set("10.0.0.5/8, fd00::/8,"); err != nil || list.String() != "10.0.0.0/8,fd00::/8" {
		t.Errorf("got %s, %v", list.String(), err)
	}
	for _, text := range []string{"10.0.0.1", "10.0.0.0/33", "hosts"} {
		if err := list.Set(text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}
