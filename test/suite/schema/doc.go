// Package schema checks objects against the CRDs in config/crd as the API server does, without an
// API server. Its tests require, for each CEL rule in the CRDs, an object that is accepted and one
// that is refused: who adds a rule adds an example to examples_test.go.
//
// A [Kind] is one CRD. It uses the API server's own libraries and order: unknown fields, defaults,
// structural schema, list types, CEL rules, and on updates ratcheting. It refuses to know
// admission plugins, conversions, managed fields and what the API server checks of metadata.
//
// A new rule must not stop an object that an earlier release stored: the operator still writes the
// status and the finalizers of the object. [Kind.CheckRatcheting] shows this, given an object that
// today's rules refuse:
//
//	err := pools.CheckRatcheting(schema.Stored{
//		Object:   patched(t, pool, `spec: {template: {spec: {runtime: {runtimeSocket: c.sock}}}}`),
//		Accepted: []string{`spec: {replicas: 5}`, `spec: {template: {spec: {runtime: {runtimeSocket: /c.sock}}}}`},
//		Refused:  []string{`spec: {template: {spec: {runtime: {runtimeSocket: d.sock}}}}`},
//	})
//
// The tests do the first half of it, labels, finalizers and status, for the refused examples of
// all rules.
//
// The API server skips a rule if the value at the rule's own place is unchanged. A rule at spec is
// therefore checked again when any field in spec changes. A rule at the field itself is checked
// again only when the field changes: prefer that place.
package schema
