package nodetemplate

import (
	"fmt"
	"net/url"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// URIs with a login (user, password or token before the host) are fetched, but everybody can read
// them who may see pools, nodes or the tasks in Mesos.

// hasLogin reports whether there is a login in a URI.
func hasLogin(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.User != nil
}

// LoginsIn returns the names of the artifacts of a template whose URIs have a login.
func LoginsIn(template v1alpha1.NodeRuntime) (names []string) {
	for _, a := range template.Artifacts {
		if hasLogin(a.URI) {
			names = append(names, a.Name)
		}
	}
	return names
}

// Logins describes each place of the operator's file with a URL that has a login: "mirror", or the
// artifact and its version.
func (r Runtime) Logins() (places []string) {
	if hasLogin(r.Mirror) {
		places = append(places, "mirror")
	}
	add := func(artifacts []v1alpha1.Artifact, version string) {
		for _, a := range artifacts {
			if hasLogin(a.URI) {
				places = append(places, fmt.Sprintf("artifact %q%s", a.Name, version))
			}
		}
	}
	add(r.Artifacts, "")
	for i := range r.Versions {
		add(r.Versions[i].Artifacts, " of version "+r.Versions[i].Name)
	}
	return places
}
