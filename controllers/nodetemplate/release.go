package nodetemplate

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Release is a minor release of Kubernetes. The zero value stands for one that is not known.
type Release struct {
	Major, Minor int
}

// String returns the release as Kubernetes writes it, for example v1.37.
func (r Release) String() string {
	if r == (Release{}) {
		return "an unknown release"
	}
	return fmt.Sprintf("v%d.%d", r.Major, r.Minor)
}

// oldestKubelet is the number of minor releases that a kubelet may be older than its API
// server: https://kubernetes.io/releases/version-skew-policy/#kubelet.
const oldestKubelet = 3

// CheckSkew returns what Kubernetes' version skew policy has against nodes of this runtime in
// a cluster whose API server is of the release. A release that is not known is not checked.
func (r Resolved) CheckSkew(apiServer Release) Refusal {
	kubelet := r.Kubernetes
	if kubelet == (Release{}) || apiServer == (Release{}) {
		return Refusal{}
	}
	problem := ""
	switch {
	case kubelet.Major > apiServer.Major || kubelet.Major == apiServer.Major && kubelet.Minor > apiServer.Minor:
		problem = "a kubelet must not be newer than the API server, so upgrade the control plane first"
	case kubelet.Major < apiServer.Major || apiServer.Minor-kubelet.Minor > oldestKubelet:
		problem = fmt.Sprintf("a kubelet may be at most %d minor releases older than the API server, so choose a newer runtime", oldestKubelet)
	default:
		return Refusal{}
	}
	return Refuse(v1alpha1.ReasonKubeletVersionSkew, fmt.Errorf("template.spec.runtime is version %s with a kubelet of Kubernetes %s, and the API server is of %s: %s", r.Version, kubelet, apiServer, problem))
}

var releasePattern = regexp.MustCompile(`^v([0-9]{1,4})\.([0-9]{1,4})(?:\.[0-9]+)?(?:[-+._][0-9A-Za-z.+_-]*)?$`)

// ParseRelease reads the minor release out of a version of Kubernetes: v1.37, v1.37.2,
// v1.37.2-2, v1.37.0-alpha.1+0a1b2c. Ok is false if the text is none.
func ParseRelease(version string) (release Release, ok bool) {
	parts := releasePattern.FindStringSubmatch(version)
	if parts == nil {
		return Release{}, false
	}
	// The digits are few enough for a number.
	release.Major, _ = strconv.Atoi(parts[1])
	release.Minor, _ = strconv.Atoi(parts[2])
	return release, release != (Release{})
}
