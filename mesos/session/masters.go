package session

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/detector"
)

// parseMasters parses Config.Masters. It returns either the masters, or the ZooKeeper
// ensemble where they register.
func parseMasters(list []string) ([]*url.URL, *detector.Ensemble, error) {
	if i := slices.IndexFunc(list, isZooKeeperURL); i >= 0 {
		if len(list) > 1 {
			return nil, nil, errors.New("an address that begins with zk:// must be the only one: the masters are found in ZooKeeper")
		}
		e, err := detector.ParseEnsemble(list[i])
		if err != nil {
			return nil, nil, fmt.Errorf("reading the address of ZooKeeper: %w", err)
		}
		return nil, &e, nil
	}
	masters, err := parseMasterList(list)
	return masters, nil, err
}

func isZooKeeperURL(m string) bool { return strings.HasPrefix(m, detector.Scheme) }

func parseMasterList(list []string) ([]*url.URL, error) {
	if len(list) == 0 {
		return nil, errors.New("no master is named")
	}
	out := make([]*url.URL, 0, len(list))
	for _, m := range list {
		u, err := parseMaster(m)
		if err != nil {
			return nil, fmt.Errorf("reading master %q: %w", m, err)
		}
		out = append(out, u)
	}
	return out, nil
}

func parseMaster(m string) (*url.URL, error) {
	if !strings.Contains(m, "://") {
		m = "http://" + m
	}
	u, err := url.Parse(m)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %s is none of http, https and zk", u.Scheme)
	case u.Hostname() == "" || u.Port() == "":
		return nil, errors.New("want host:port")
	case u.User != nil:
		return nil, errors.New("credentials do not belong into an address")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}
