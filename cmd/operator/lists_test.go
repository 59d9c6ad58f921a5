package main

import (
	"net/netip"
	"testing"
)

func TestNetworkList(t *testing.T) {
	var networks []netip.Prefix
	list := listFlag[netip.Prefix]{&networks, parseNetwork}
	if err := list.Set("10.0.0.5/8, fd00::/8,"); err != nil || list.String() != "10.0.0.0/8,fd00::/8" || len(networks) != 2 {
		t.Errorf("got %s, %v", list.String(), err)
	}
	for _, text := range []string{"10.0.0.1", "10.0.0.0/33", "hosts"} {
		if err := list.Set(text); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	if list.String() != "10.0.0.0/8,fd00::/8" {
		t.Errorf("a value that is refused changed the list to %s", list.String())
	}
	if err := list.Set("10.1.0.0/16"); err != nil || list.String() != "10.1.0.0/16" {
		t.Errorf("set again it is %s, %v", list.String(), err)
	}
}

func TestListsOfTexts(t *testing.T) {
	for name, test := range map[string]struct {
		parse      func(string) (string, error)
		text, want string // want is empty for a refusal
	}{
		"addresses":                 {parseAddress, "10.0.0.1, fd00::1", "10.0.0.1,fd00::1"},
		"a name among addresses":    {parseAddress, "10.0.0.1,dns.example", ""},
		"destinations":              {parseDestination, "10.0.0.0/8,10.1.0.0/16:5051,m.example:5050", "10.0.0.0/8,10.1.0.0/16:5051,m.example:5050"},
		"a destination with no end": {parseDestination, "10.0.0.0/8:", ""},
		"ranges":                    {parseRange, "10.244.0.0/16,fd00::/48", "10.244.0.0/16,fd00::/48"},
		"an address among ranges":   {parseRange, "10.244.0.0", ""},
	} {
		var values []string
		list := listFlag[string]{&values, test.parse}
		if err := list.Set(test.text); (err == nil) != (test.want != "") || list.String() != test.want {
			t.Errorf("%s: got %q, %v, want %q", name, list.String(), err, test.want)
		}
	}
	if text := (listFlag[string]{}).String(); text != "" {
		t.Errorf("the zero value is %q", text)
	}
}
