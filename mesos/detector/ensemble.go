package detector

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Scheme begins the address of an ensemble.
const Scheme = "zk://"

// Ensemble is the ZooKeeper servers and the path where masters register:
// zk://[user:password@]host:port[,host:port…]/path.
type Ensemble struct {
	Servers []string // host:port
	Path    string   // begins with a slash, and ends without one unless it is the root
	login   string   // user:password for ZooKeeper's digest scheme; empty for none
}

// Login returns the user:password in the address, for ZooKeeper's digest scheme; empty if there is none.
func (e Ensemble) Login() string { return e.login }

// String returns the address without user and password.
func (e Ensemble) String() string { return Scheme + strings.Join(e.Servers, ",") + e.Path }

// ParseEnsemble parses the address of an ensemble in the form that Mesos' own flags have. Its
// errors do not contain the password.
func ParseEnsemble(address string) (Ensemble, error) {
	rest, ok := strings.CutPrefix(address, Scheme)
	if !ok {
		return Ensemble{}, errors.New("want zk://host:port/path")
	}
	// As in Mesos, the path begins at the first slash, and the servers after the last @ before
	// it: a password may hold an @, and a path, too.
	if e, err := parseAt(rest, strings.IndexByte(rest+"/", '/')); err == nil {
		return e, nil
	}
	// Mesos takes no password with a slash. It is one if that leaves a valid address.
	at := strings.LastIndexByte(rest, '@') + 1
	return parseAt(rest, at+strings.IndexByte(rest[at:]+"/", '/'))
}

// parseAt parses an address whose path begins at an index.
func parseAt(rest string, slash int) (Ensemble, error) {
	var e Ensemble
	servers := rest[:slash]
	if i := strings.LastIndexByte(servers, '@'); i >= 0 {
		e.login, servers = servers[:i], servers[i+1:]
		if user, password, found := strings.Cut(e.login, ":"); !found || user == "" || password == "" {
			return Ensemble{}, errors.New("want user:password before the @")
		}
	}
	for server := range strings.SplitSeq(servers, ",") {
		if err := checkServer(server); err != nil {
			return Ensemble{}, err
		}
		e.Servers = append(e.Servers, server)
	}
	e.Path = "/" + strings.TrimPrefix(rest[slash:], "/")
	if strings.Contains(e.Path, "//") || strings.Contains(e.Path, "/./") || strings.Contains(e.Path, "/../") || strings.ContainsRune(e.Path, 0) {
		return Ensemble{}, fmt.Errorf("%q is no path in ZooKeeper", e.Path)
	}
	if len(e.Path) > 1 {
		e.Path = strings.TrimSuffix(e.Path, "/")
	}
	return e, nil
}

func checkServer(server string) error {
	host, port, err := net.SplitHostPort(server)
	if err != nil || host == "" {
		return fmt.Errorf("server %q is not host:port", server)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("server %q has no port between 1 and 65535", server)
	}
	return nil
}

// child returns the path of a node below the ensemble's path.
func (e Ensemble) child(name string) string { return strings.TrimSuffix(e.Path, "/") + "/" + name }
