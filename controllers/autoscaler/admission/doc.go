// Package admission predicts the pods that the API server will make of pod templates: requests
// that follow from limits, defaults of LimitRanges, and what other admission has added to pods
// of the same template. A template alone is not what a node has to hold.
//
// It is pure, and knows neither nodes nor who makes the pods. The caller is
// controllers/autoscaler.
package admission
