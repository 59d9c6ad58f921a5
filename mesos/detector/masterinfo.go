package detector

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/k8sm/k8sm/mesos/address"
)

// Master is the address that a master announces.
type Master struct {
	IP       string
	Hostname string // may be empty, or a name that only the masters can resolve
	Port     int
}

// masterLabel begins the names of the nodes that masters create since Mesos 0.24.
const masterLabel = "json.info"

// leaderNode returns the node of the leading master, which is the one with the lowest
// sequence number; "" if there is none. Nodes without a number, such as log_replicas, are no
// master's.
func leaderNode(children []string) (name string, err error) {
	var lowest int64
	for _, child := range children {
		sequence, err := strconv.ParseInt(child[strings.LastIndexByte(child, '_')+1:], 10, 32)
		if err == nil && (name == "" || sequence < lowest) {
			name, lowest = child, sequence
		}
	}
	if name != "" && !strings.HasPrefix(name, masterLabel+"_") {
		return "", fmt.Errorf("the leading master's node %q is not a %s", name, masterLabel)
	}
	return name, nil
}

// masterNodes returns the nodes of all masters in the order of their numbers, maxMasters at most.
func masterNodes(children []string) []string {
	numbers := map[string]int64{}
	for _, child := range children {
		if number, ok := strings.CutPrefix(child, masterLabel+"_"); ok {
			if n, err := strconv.ParseInt(number, 10, 32); err == nil {
				numbers[child] = n
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(numbers), func(a, b string) int {
		return cmp.Or(cmp.Compare(numbers[a], numbers[b]), strings.Compare(a, b))
	})
	return names[:min(len(names), maxMasters)]
}

// masterInfo is the part of a MasterInfo that contains the address.
type masterInfo struct {
	Hostname string `json:"hostname"`
	Port     int    `json:"port"`
	PID      string `json:"pid"`
	Address  struct {
		Hostname string `json:"hostname"`
		IP       string `json:"ip"`
		Port     int    `json:"port"`
	} `json:"address"`
}

// parseMasterInfo parses the MasterInfo in a node. That of an old master has no address, but
// a PID, master@ip:port.
func parseMasterInfo(data []byte) (Master, error) {
	var info masterInfo
	if err := json.Unmarshal(data, &info); err != nil {
		return Master{}, fmt.Errorf("reading a MasterInfo: %w", err)
	}
	m := Master{IP: info.Address.IP, Hostname: info.Address.Hostname, Port: info.Address.Port}
	if m.Hostname == "" {
		m.Hostname = info.Hostname
	}
	if m.IP == "" {
		host, port, ok := address.SplitPID(info.PID)
		if !ok {
			return Master{}, errors.New("reading a MasterInfo: it has neither an address nor a PID")
		}
		m.IP = host
		m.Port, _ = strconv.Atoi(port) // 0, which is rejected below, if it is no number
	}
	if net.ParseIP(m.IP) == nil || m.Port <= 0 || m.Port > 65535 {
		return Master{}, fmt.Errorf("reading a MasterInfo: %q, port %d, is no address", m.IP, m.Port)
	}
	if strings.ContainsAny(m.Hostname, "/?#@:[] \t\r\n") {
		m.Hostname = "" // it is no host name; the IP is enough
	}
	return m, nil
}
