package nodetemplate

import (
	"fmt"
	"regexp"
	"strconv"
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
// a cluster whose API server is of the release, as a sentence; "" if it has nothing, or one of
// the two is not known.
func (r Resolved) CheckSkew(apiServer Release) string {
	kubelet := r.Kubernetes
	if kubelet == (Release{}) || apiServer == (Release{}) {
		return ""
	}
	switch {
	case kubelet.Major > apiServer.Major || kubelet.Major == apiServer.Major && kubelet.Minor > apiServer.Minor:
		return fmt.Sprintf("The kubelet of runtime %s is of Kubernetes %s and the API server of %s: a kubelet must not be newer than the API server, so upgrade the control plane first.", r.Version, kubelet, apiServer)
	case kubelet.Major < apiServer.Major || apiServer.Minor-kubelet.Minor > oldestKubelet:
		return fmt.Sprintf("The kubelet of runtime %s is of Kubernetes %s and the API server of %s: a kubelet may be at most %d minor releases older than the API server, so choose a newer runtime.", r.Version, kubelet, apiServer, oldestKubelet)
	}
	return ""
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
