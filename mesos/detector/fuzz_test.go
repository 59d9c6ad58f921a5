package detector

import (
	"bytes"
	"encoding/base64"
	"net"
	"strings"
	"testing"
)

// A master's node may contain anything.
func FuzzParseMasterInfo(f *testing.F) {
	for _, s := range []string{
		`{"address":{"hostname":"m1.example","ip":"10.0.0.1","port":5050},"hostname":"m1.example","id":"x","ip":16777226,"pid":"master@10.0.0.1:5050","port":5050,"version":"1.11.1"}`,
		`{"pid":"master@[::1]:5050"}`, `{"address":{"ip":"::1","port":1}}`, `{"address":null,"pid":"@:"}`, `[]`, `null`, `{"port":1e99}`, "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMasterInfo(data)
		if err != nil {
			if m != (Master{}) {
				t.Fatalf("%+v and an error: %v", m, err)
			}
			return
		}
		if net.ParseIP(m.IP) == nil || m.Port < 1 || m.Port > 65535 || strings.ContainsAny(m.Hostname, "/?#@ \n") {
			t.Fatalf("%+v is no address", m)
		}
	})
}

// Nodes below the path may have any names.
func FuzzLeaderNode(f *testing.F) {
	f.Add("json.info_0000000001,json.info_0000000000,log_replicas")
	f.Add("json.info_-2147483648,json.info_2147483647,info_0000000003,_,json.info_")
	f.Fuzz(func(t *testing.T, names string) {
		children := strings.Split(names, ",")
		name, err := leaderNode(children)
		if err == nil && name != "" && !strings.HasPrefix(name, "json.info_") {
			t.Fatalf("%q leads", name)
		}
	})
}

// An ensemble's address comes from the user. No error may show its password.
func FuzzParseEnsemble(f *testing.F) {
	for _, s := range []string{"zk://a:2181/mesos", "zk://u:hunter2@a:2181,b:2181/mesos", "zk://u:hunter2@@/", "zk:///", "zk://[::1]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		e, err := ParseEnsemble(address)
		if err == nil && (len(e.Servers) == 0 || !strings.HasPrefix(e.Path, "/") || (e.Path != "/" && strings.HasSuffix(e.Path, "/"))) {
			t.Fatalf("%+v", e)
		}
	})
}

// A server may answer with any bytes. Reading them must end, and must not panic.
func FuzzReadPacket(f *testing.F) {
	for _, s := range []string{
		"AAAAJQAAAAAAACcQAAAAAAAAAAEAAAAQAAAAAAAAAAAAAAAAAAAAAAA=", // a session
		"AAAAAA==", "/////w==", "AAAAEAAAAAEAAAAAAAAAAAAAAAA=",
	} {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		for {
			p, err := readPacket(r)
			if err != nil {
				return
			}
			if _, _, err := p.header(); err != nil {
				continue
			}
			names, data := p, p
			if all, err := names.texts(); err == nil && len(all) > len(stream)/4 {
				t.Fatalf("%d names from %d bytes", len(all), len(stream))
			}
			if b, err := data.buffer(); err == nil && len(b) > len(stream) {
				t.Fatalf("%d bytes from %d", len(b), len(stream))
			}
		}
	})
}
