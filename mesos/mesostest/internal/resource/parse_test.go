package resource

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func TestResourcesAreReadAndWritten(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"nothing":                          {"", ""},
		"only separators":                  {" ; ;", ""},
		"in the usual order":               {"disk:3;mem:2;cpus:1;gpus:4;ports:[1-2]", "ports:[1-2]; cpus:1; mem:2; disk:3; gpus:4"},
		"others by name, behind":           {"z:1;a:2;cpus:3", "cpus:3; a:2; z:1"},
		"spaces around":                    {" cpus : 1 ; mem : 2 ", "cpus:1; mem:2"},
		"thousandths":                      {"cpus:0.0014;mem:0.0016", "cpus:0.001; mem:0.002"},
		"the same resource twice":          {"cpus:1;cpus:2", "cpus:3"},
		"ranges are sorted and united":     {"ports:[7-9,1-3,4-5]", "ports:[1-5, 7-9]"},
		"ranges that overlap":              {"ports:[1-5,3-9]", "ports:[1-9]"},
		"a range of one":                   {"ports:[80-80]", "ports:[80-80]"},
		"reserved ones before the others":  {"cpus:1;cpus(a):2", "cpus(reservations: [(STATIC,a)]):2; cpus:1"},
		"the role of all reserves nothing": {"cpus(*):1", "cpus:1"},
		"a reservation below another role": {"mem(a/b):1", "mem(reservations: [(STATIC,a/b)]):1"},
		"reserved ranges":                  {"ports(a):[1-2];ports:[3-4]", "ports:[3-4]; ports(reservations: [(STATIC,a)]):[1-2]"},
	} {
		t.Run(name, func(t *testing.T) {
			q, err := Parse(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, Describe(q.Messages("", false))); diff != "" {
				t.Errorf("resources (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResourcesThatCannotBeRead(t *testing.T) {
	for in, want := range map[string]string{
		"cpus":             `parsing resource "cpus": no value`,
		"cpus:":            `parsing resource "cpus": no value`,
		"cpus:many":        `parsing resource "cpus": "many" is neither a number nor ranges`,
		"disks:{a,b}":      `parsing resource "disks": sets are not supported`,
		"ports:[1]":        `parsing resource "ports": "1" is not a range`,
		"ports:[9-1]":      `parsing resource "ports": "9-1" is not a range`,
		"ports:[a-b]":      `parsing resource "ports": "a-b" is not a range`,
		"ports:[]":         `parsing resource "ports": "" is not a range`,
		"cpus(-a):1":       `parsing resource "cpus(-a)": Role component '-a' is invalid because it begins with a dash`,
		"cpus():1":         `parsing resource "cpus()": Empty role name is invalid`,
		"mem:1;cpus:x":     `parsing resource "cpus": "x" is neither a number nor ranges`,
		"ports:[1-2, 4-3]": `parsing resource "ports": "4-3" is not a range`,
	} {
		t.Run(in, func(t *testing.T) {
			if _, err := Parse(in); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestAttributesAreRead(t *testing.T) {
	got, err := ParseAttributes("rack:r1; slots:8;ports_open:[1000-1999];url:http://x;rack:r2")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, a := range got {
		kinds = append(kinds, a.Name+" "+a.Type.String())
	}
	want := []string{"rack TEXT", "slots SCALAR", "ports_open RANGES", "url TEXT", "rack TEXT"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if got[3].Text.Value != "http://x" || got[1].Scalar.Value != 8 || got[2].Ranges.Range[0] != (mesos.Value_Range{Begin: 1000, End: 1999}) {
		t.Errorf("got %v", got)
	}
	for in, want := range map[string]string{
		"rack":   `parsing attribute "rack": no value`,
		"a:{b}":  `parsing attribute "a": sets are not supported`,
		"a:[x]":  `parsing attribute "a": "x" is not a range`,
		"a:1;b:": `parsing attribute "b": no value`,
	} {
		if _, err := ParseAttributes(in); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}
