package nodemodel

import (
	"strings"
	"testing"
)

func TestLabelValuesAreMadeFit(t *testing.T) {
	for in, want := range map[string]string{
		"agent-3.example":        "agent-3.example",
		"C0FFEE-S3":              "C0FFEE-S3",
		"fe80::1":                "fe80--1",
		"-edge-":                 "edge",
		"Zürich/1":               "Z-rich-1",
		strings.Repeat("a", 100): strings.Repeat("a", 63),
		"":                       "",
	} {
		if got := labelValue(in); got != want {
			t.Errorf("labelValue(%q) = %q, want %q", in, got, want)
		}
	}
}
