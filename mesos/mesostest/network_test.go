package mesostest

import (
	"net"
	"net/http"
	"strconv"
)

// network is one for tests of this package.
type network struct{ *Network }

func newNetwork() *network { return &network{NewNetwork()} }

func (n *network) listen(ip string, port int) net.Listener {
	l, err := n.Listen(net.JoinHostPort(ip, strconv.Itoa(port)))
	if err != nil {
		panic(err)
	}
	return l
}

func (n *network) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}
