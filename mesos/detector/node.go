package detector

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Master is where a master listens, as it says itself.
type Master struct {
	IP       string
	Hostname string // may be empty, or a name that only the masters can resolve
	Port     int
}

// label of the nodes that masters have written since Mesos 0.24.
const label = "json.info"

// leading picks the node of the leading master: the one with the lowest sequence number.
// What bears no number is no master's, such as log_replicas.
func leading(children []string) (name string, err error) {
	var lowest int64
	for _, child := range children {
		sequence, err := strconv.ParseInt(child[strings.LastIndexByte(child, '_')+1:], 10, 32)
		if err == nil && (name == "" || sequence < lowest) {
			name, lowest = child, sequence
		}
	}
	if name != "" && !strings.HasPrefix(name, label+"_") {
		return "", fmt.Errorf("the leading master's node %q is not a %s", name, label)
	}
	return name, nil
}

// masterInfo is as much of a MasterInfo as tells the address.
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

// decode reads the MasterInfo in a node. Older masters have no address, but a PID,
// master@ip:port.
func decode(data []byte) (Master, error) {
	var info masterInfo
	if err := json.Unmarshal(data, &info); err != nil {
		return Master{}, fmt.Errorf("reading a MasterInfo: %w", err)
	}
	m := Master{IP: info.Address.IP, Hostname: info.Address.Hostname, Port: info.Address.Port}
	if m.Hostname == "" {
		m.Hostname = info.Hostname
	}
	if m.IP == "" {
		_, at, _ := strings.Cut(info.PID, "@")
		host, port, err := net.SplitHostPort(at)
		if err != nil {
			return Master{}, errors.New("reading a MasterInfo: it tells neither an address nor a PID")
		}
		m.IP = host
		m.Port, _ = strconv.Atoi(port) // 0 is refused below
	}
	if net.ParseIP(m.IP) == nil || m.Port <= 0 || m.Port > 65535 {
		return Master{}, fmt.Errorf("reading a MasterInfo: %q, port %d, is no address", m.IP, m.Port)
	}
	if strings.ContainsAny(m.Hostname, "/?#@:[] \t\r\n") {
		m.Hostname = ""
	}
	return m, nil
}
