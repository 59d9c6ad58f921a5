// Package libprocess knows what is peculiar about libprocess, the network library under
// every Mesos master and agent. It opens no connection itself. mesos/session and
// mesos/executor call it where they set up TLS.
package libprocess

import "crypto/tls"

// CipherSuites are those that a client of libprocess has to offer, as IDs. libprocess'
// defaults are TLS 1.2 alone and suites that exchange keys by RSA alone, none of which
// Go offers unless told to. Go orders suites itself: those with forward secrecy still
// come first where the other side has them. TLS 1.3 is not concerned.
func CipherSuites() []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}
