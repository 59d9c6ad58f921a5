// Package nodetemplate says what is wrong with a node template beyond what its schema can say,
// and makes of it what a node is launched with.
//
// It decides and does nothing: it knows no client, and neither which pool a template is of
// nor what becomes of the answer. The controllers of pools and nodes ask it before anything
// is made of a template, the framework's when it makes the launch message.
package nodetemplate
