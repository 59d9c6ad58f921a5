module github.com/k8sm/k8sm

go 1.26.0

require (
	github.com/go-logr/logr v1.4.3
	github.com/k8sm/k8sm/api v0.0.0
	github.com/mesos/mesos-go v0.0.11
	k8s.io/api v0.37.2
	k8s.io/apimachinery v0.37.2
	k8s.io/client-go v0.37.2
	sigs.k8s.io/controller-runtime v0.25.2
)

require (
	github.com/gogo/protobuf v1.3.2 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/pquerna/ffjson v0.0.0-20190930134022-aa0246cd15f7 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/k8sm/k8sm/api => ./api
