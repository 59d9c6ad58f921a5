// Package nodetemplate checks node templates beyond what their schema can check, and builds
// from a template and the operator's defaults what a node is launched with.
//
// It is pure: it knows no client and no clock, neither which pool a template belongs to nor
// what follows from an answer. controllers/catalogue calls [ParseRuntime] for the operator's
// --node-runtime file, and for the controllers of pools and nodes [Runtime.Check] and
// [Runtime.Resolve] before anything is made of a template. controllers/taskrecord calls
// [NodeDefaults.Payload] when a node is about to be launched.
package nodetemplate
