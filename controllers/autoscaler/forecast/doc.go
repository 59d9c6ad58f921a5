// Package forecast predicts the Node of a MesosNode that has none yet: its labels, its
// allocatable resources and the pods that DaemonSets will have on it. It learns from Nodes
// of the same kind that are ready, and computes from the template where there are none.
//
// It is pure and knows neither pending pods nor what is decided. The caller is
// controllers/autoscaler.
package forecast
