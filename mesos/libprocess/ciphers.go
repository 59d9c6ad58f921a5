// Package libprocess has what is special about TLS with libprocess, the network library of
// every Mesos master and agent. It opens no connection. mesos/session and mesos/executor
// call it when they configure TLS.
package libprocess

import "crypto/tls"

// CipherSuites returns the IDs of the cipher suites that a client of libprocess has to offer
// for TLS 1.2. By default libprocess speaks TLS 1.2 only, and only with suites that exchange
// keys by RSA, which Go does not offer unless they are configured. Go orders the suites by
// itself: suites with forward secrecy are used where the server has them. TLS 1.3 is not
// affected.
func CipherSuites() []uint16 {
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	return append(ids, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA)
}
