package network

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// installFakeTools puts shell scripts into a folder that is the only one in which programs are found.
// What they are given on standard input is in the folder, in files of their names and ".in".
func installFakeTools(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		text := "#!/bin/sh\nPATH=/usr/bin:/bin\ncd " + dir + "\n" + script + "\n"
		kubelettest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	folders := tool.SystemFolders
	tool.SystemFolders = nil
	t.Cleanup(func() { tool.SystemFolders = folders })
	t.Setenv("PATH", dir)
	return dir
}

func TestRemoveIPTablesRules(t *testing.T) {
	const rule = `-A POSTROUTING -m comment --comment "name: \"k8sm-1\" id: \"x\"" -j CNI-aaa`
	save := "cat <<'END'\n*nat\n" + rule + "\nCOMMIT\nEND"
	const removal = "*nat\n-D POSTROUTING -m comment --comment \"name: \\\"k8sm-1\\\" id: \\\"x\\\"\" -j CNI-aaa\n-F CNI-aaa\n-X CNI-aaa\nCOMMIT"
	tests := map[string]struct {
		scripts map[string]string
		want    map[string]string // what a tool was given
		wrong   []string
	}{
		"an agent without the tools": {},
		"rules of both families": {
			scripts: map[string]string{"iptables-save": save, "iptables-restore": "cat >restore.in", "ip6tables-save": save, "ip6tables-restore": "cat >restore6.in"},
			want:    map[string]string{"restore.in": removal, "restore6.in": removal},
		},
		"rules of another network": {
			scripts: map[string]string{"iptables-save": strings.ReplaceAll(save, "k8sm-1", "k8sm-12"), "iptables-restore": "cat >restore.in"},
			want:    map[string]string{"restore.in": ""},
		},
		"a kernel without IPv6": {
			scripts: map[string]string{"iptables-save": save, "iptables-restore": "cat >restore.in", "ip6tables-save": "exit 3", "ip6tables-restore": "cat >restore6.in"},
			want:    map[string]string{"restore.in": removal, "restore6.in": ""},
		},
		"the error names the family that fails, and the other one is cleaned": {
			scripts: map[string]string{"iptables-save": save, "iptables-restore": "echo no such chain >&2; exit 1", "ip6tables-save": save, "ip6tables-restore": "cat >restore6.in"},
			want:    map[string]string{"restore6.in": removal},
			wrong:   []string{"k8sm-1", "exit status 1", "no such chain"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := installFakeTools(t, tc.scripts)
			err := removeIPTablesRules("k8sm-1")
			if (err == nil) != (len(tc.wrong) == 0) {
				t.Errorf("error is %v", err)
			}
			for _, want := range tc.wrong {
				if err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			for file, want := range tc.want {
				if diff := cmp.Diff(want, kubelettest.Content(filepath.Join(dir, file))); diff != "" {
					t.Errorf("%s (-want +got):\n%s", file, diff)
				}
			}
		})
	}
}

func TestRemoveNFTablesRulesGoesByNames(t *testing.T) {
	const list = `case "$*" in
"-a list table inet cni_plugins_masquerade") cat <<'END'
table inet cni_plugins_masquerade {
	chain masq_checks { # handle 1
		ip saddr == 10.1.0.2 masquerade comment "a, net: k8sm-1, if: eth0, id: 11111111111111111111111111111111" # handle 7
		ip saddr == 10.2.0.2 masquerade comment "b, net: k8sm-12, if: eth0, id: 33333333333333333333333333333333" # handle 8
		ip saddr == 10.1.0.9 masquerade comment "c, net: k8sm-1, if: eth0, id: 4444" # handle 9
	}
}
END
;;
"-a list table ip cni_hostport") cat <<'END'
table ip cni_hostport {
	chain hostports { # handle 2
		tcp dport 80 dnat to 10.1.0.2:80 comment "11111111111111111111111111111111ffff" # handle 3
		tcp dport 81 dnat to 10.2.0.2:80 comment "33333333333333333333333333333333ffff" # handle 4
		tcp dport 82 dnat to 10.2.0.2:80 comment "44445555555555555555555555555555ffff" # handle 5
	}
}
END
;;
"-f -") `
	dir := installFakeTools(t, map[string]string{"nft": list + "cat >nft.in;;\n*) exit 1;; esac"})
	kubelettest.Must(t, removeNFTablesRules("k8sm-1"))
	// The ID 4444 is too short to identify a container, so only its own rule is removed.
	want := `delete rule inet cni_plugins_masquerade masq_checks handle 7
delete rule inet cni_plugins_masquerade masq_checks handle 9
delete rule ip cni_hostport hostports handle 3`
	if diff := cmp.Diff(want, kubelettest.Content(filepath.Join(dir, "nft.in"))); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
	installFakeTools(t, map[string]string{"nft": list + "echo permission denied >&2; exit 1;;\n*) exit 1;; esac"})
	if err := removeNFTablesRules("k8sm-1"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("error is %v", err)
	}
	installFakeTools(t, map[string]string{"nft": "exit 1"})
	kubelettest.Must(t, removeNFTablesRules("k8sm-1")) // there is no such table
	installFakeTools(t, nil)
	kubelettest.Must(t, removeNFTablesRules("k8sm-1"))
}

func TestParseNFTRules(t *testing.T) {
	tests := map[string]struct {
		listed string
		want   []nftRule
	}{
		"nothing":                            {"", nil},
		"a rule before any chain":            {`accept comment "x" # handle 1`, nil},
		"a rule without a comment":           {"chain c {\naccept # handle 1\n", nil},
		"a comment that is not closed":       {"chain c {\naccept comment \"x # handle 1\n", nil},
		"a rule without a handle":            {"chain c {\naccept comment \"x\"\n", nil},
		"rules of two chains":                {"chain a {\naccept comment \"x\" # handle 1\n}\nchain b {\naccept comment \"y z\" # handle 22\n", []nftRule{{"a", "1", "x"}, {"b", "22", "y z"}}},
		"a handle in the comment is ignored": {"chain a {\naccept comment \"# handle 9\" # handle 1\n", []nftRule{{"a", "1", "# handle 9"}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseNFTRules(tc.listed), cmp.AllowUnexported(nftRule{})); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemoveOfAMissingNetwork(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, Remove(Name("no such node")))
}
