// Package pending sorts pods by what the kube-scheduler has said of them: pods that are on a node
// or nominated to one, pods that fit nowhere and may need a new node, pods that it has not looked
// at, and pods for which no node is made.
//
// It is pure, knows no pools, and does not decide what is done for a pod. The caller is
// controllers/autoscaler.
package pending
