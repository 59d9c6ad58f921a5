package schema

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// crds is the folder of the CRDs.
const crds = "../../../config/crd/bases"

func load(t *testing.T) map[string]*Kind {
	t.Helper()
	kinds, err := Load(crds)
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// patched returns the valid object with a merge patch applied to it.
func patched(t *testing.T, base, patch string) Object {
	t.Helper()
	object, err := Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	object, err = Patch(object, patch)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// rulesWith returns the kind's rules with the message, those below status or the others.
func (k *Kind) rulesWith(message string, ofStatus bool) []Rule {
	var out []Rule
	for _, rule := range k.Rules() {
		if rule.Message == message && rule.isOfStatus() == ofStatus {
			out = append(out, rule)
		}
	}
	return out
}

func (r Rule) isOfStatus() bool { return strings.HasPrefix(r.Place, "status.") }

// try writes the patched object in the way in which the rule is evaluated: it writes the status,
// updates the valid object, or creates a new one. It returns the rules that are violated.
func try(t *testing.T, k *Kind, rule Rule, patch string) (violated []Rule, err error) {
	t.Helper()
	valid, object := patched(t, bases[k.Name], `{}`), patched(t, bases[k.Name], patch)
	switch {
	case rule.isOfStatus():
		_, err = k.UpdateStatus(valid, object)
	case rule.Transition:
		_, err = k.Update(valid, object)
	default:
		_, err = k.Create(object)
	}
	return k.Violated(err), err
}

// coverage are the rules that an example violated, as kind, place and message.
type coverage map[string]bool

func nameOf(kind string, rule Rule) string {
	return fmt.Sprintf("%s at %q: %s", kind, rule.Place, rule.Message)
}

// check tries the examples of a message with a kind that has rules with this message.
func (c coverage) check(t *testing.T, k *Kind, rules []Rule, ex example) {
	message := rules[0].Message
	withMessage := func(violated []Rule) (out []Rule) {
		for _, rule := range violated {
			if rule.Message == message {
				out = append(out, rule)
			}
		}
		return out
	}
	for _, patch := range ex.accepted {
		violated, err := try(t, k, rules[0], patch)
		if len(withMessage(violated)) > 0 || err != nil && k.Name == ex.kind {
			t.Errorf("%s is refused: %v", patch, err)
		}
	}
	for _, patch := range ex.refused {
		violated, err := try(t, k, rules[0], patch)
		for _, rule := range withMessage(violated) {
			c[nameOf(k.Name, rule)] = true
		}
		if len(withMessage(violated)) == 0 && k.Name == ex.kind {
			t.Errorf("%s is not refused by the rule: %v", patch, err)
		}
	}
}

func TestEveryRuleAcceptsAndRefusesItsExamples(t *testing.T) {
	kinds, covered := load(t), coverage{}
	for _, table := range []struct {
		ofStatus bool
		examples map[string]example
	}{{false, examples}, {true, statusExamples}} {
		for message, ex := range table.examples {
			if len(ex.accepted) == 0 || len(ex.refused) == 0 || len(kinds[ex.kind].rulesWith(message, table.ofStatus)) == 0 {
				t.Errorf("an example of %s lacks an accepted object, a refused object, or a rule with the message: %s", ex.kind, message)
			}
			for name, k := range kinds {
				if rules := k.rulesWith(message, table.ofStatus); len(rules) > 0 {
					t.Run(name+": "+message, func(t *testing.T) { covered.check(t, k, rules, ex) })
				}
			}
		}
	}
	for name, k := range kinds {
		for _, rule := range k.Rules() {
			if !covered[nameOf(name, rule)] {
				t.Errorf("no example violates the rule of %s", nameOf(name, rule))
			}
		}
	}
}

// A new rule must not stop an object that an earlier release has stored.
func TestStoredObjectsThatViolateARuleCanBeUsed(t *testing.T) {
	kinds := load(t)
	for message, ex := range examples {
		k := kinds[ex.kind]
		if ex.ofNewObjects || k.rulesWith(message, false)[0].Transition {
			continue
		}
		t.Run(message, func(t *testing.T) {
			for _, patch := range ex.refused {
				if err := k.CheckRatcheting(Stored{Object: patched(t, bases[k.Name], patch)}); err != nil {
					t.Errorf("%s: %v", patch, err)
				}
			}
		})
	}
}

func TestRatchetingDependsOnThePlaceOfTheRule(t *testing.T) {
	pools := load(t)["MesosNodePool"]
	socket := patched(t, pool, nodeSpec("runtime: {runtimeSocket: c.sock}"))
	if err := pools.CheckRatcheting(Stored{
		Object:   socket,
		Accepted: []string{`spec: {replicas: 5}`, nodeSpec("overhead: {cpu: 200m}"), nodeSpec("runtime: {runtimeSocket: /c.sock}")},
		Refused:  []string{nodeSpec("runtime: {runtimeSocket: d.sock}")},
	}); err != nil {
		t.Errorf("a rule at the field itself: %v", err)
	}
	err := pools.CheckRatcheting(Stored{
		Object:   patched(t, pool, autoscaled("{minReplicas: 3, limits: {cpu: 11}}")),
		Accepted: []string{`spec: {paused: true}`},
	})
	if err == nil || !strings.Contains(err.Error(), "spec: {paused: true}") {
		t.Errorf("a rule at spec, after another field of spec changed: %v", err)
	}
	if err := pools.CheckRatcheting(Stored{Object: patched(t, pool, `{}`)}); err == nil {
		t.Error("a valid object shows something about ratcheting")
	}
	if err := pools.CheckRatcheting(Stored{Object: socket, Refused: []string{`spec: {replicas: 5}`}}); err == nil {
		t.Error("an accepted change counts as refused")
	}
}

// A framework that sends its credentials in plain text, and was stored before that had to be
// asked for, goes on. It can be changed in other ways, and made secure.
func TestStoredFrameworksMayGoOnInPlainText(t *testing.T) {
	frameworks := load(t)["MesosFramework"]
	for name, patch := range map[string]string{
		"one listed master": `spec: {masters: ["m:5050"], credentials: {secretRef: {name: login}}}`,
		"ZooKeeper":         `spec: {masters: ["zk://z:2181/mesos"], credentials: {secretRef: {name: login}}}`,
	} {
		if err := frameworks.CheckRatcheting(Stored{
			Object: patched(t, framework, patch),
			Accepted: []string{
				`spec: {failoverTimeout: 24h, roles: [a, b]}`, `spec: {insecure: true}`, `spec: {credentials: null}`,
				`spec: {credentials: {secretRef: {name: rotated}}}`, `spec: {masters: ["https://m:5050"]}`, `spec: {insecure: true, masters: ["n:5050"]}`,
			},
			Refused: []string{`spec: {masters: ["n:5050"]}`, `spec: {masters: ["https://m:5050", "n:5050"]}`},
		}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	permitted := patched(t, framework, `spec: {insecure: true, credentials: {secretRef: {name: login}}}`)
	revoked := patched(t, framework, `spec: {insecure: false, credentials: {secretRef: {name: login}}}`)
	if _, err := frameworks.Update(permitted, revoked); err == nil {
		t.Error("insecure is withdrawn while the masters have no TLS")
	}
	added := patched(t, framework, `spec: {credentials: {secretRef: {name: login}}}`)
	if _, err := frameworks.Update(patched(t, framework, `{}`), added); err == nil {
		t.Error("credentials are added without TLS")
	}
}

// A pool that was stored with an attribute that means nothing can still be changed.
func TestStoredConstraintsMayKeepUnknownNames(t *testing.T) {
	constraints := func(list string) string { return "spec: {placement: {constraints: [" + list + "]}}" }
	stored := `{attribute: "@rack", operator: NotIn, values: [r1]}`
	if err := load(t)["MesosNodePool"].CheckRatcheting(Stored{
		Object: patched(t, pool, constraints(stored)),
		Accepted: []string{
			`spec: {replicas: 5}`, constraints(""), constraints(stored + `, {attribute: "@zone", operator: Exists}`),
			`spec: {placement: {maxNodesPerAgent: 2}}`,
		},
		Refused: []string{constraints(`{attribute: "@host", operator: Exists}`), constraints(stored + `, {attribute: "@Zone", operator: Exists}`)},
	}); err != nil {
		t.Error(err)
	}
}

func TestObjectsAreStoredWithDefaultsAndWithoutUnknownFields(t *testing.T) {
	pools := load(t)["MesosNodePool"]
	given := patched(t, pool, `status: {readyReplicas: 9}`)
	stored, err := pools.Create(given)
	if err != nil {
		t.Fatal(err)
	}
	spec := stored["spec"].(Object)
	if diff := cmp.Diff(Object{"replaceAfter": "15m"}, spec["unreachable"]); diff != "" || stored["status"] != nil {
		t.Errorf("status %v, defaults (-want +got):\n%s", stored["status"], diff)
	}
	if given["spec"].(Object)["unreachable"] != nil || given["status"] == nil {
		t.Error("the object of the caller has changed")
	}
	if _, err := pools.Create(patched(t, pool, `spec: {replica: 3}`)); err == nil || !strings.Contains(err.Error(), "spec.replica") {
		t.Errorf("an unknown field: %v", err)
	}
	if _, err := pools.Create(patched(t, pool, nodeSpec("taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]"))); err == nil {
		t.Error("a list of type map has an item twice")
	}
	if _, err := pools.Create(patched(t, pool, `spec: {replicas: -1}`)); err == nil {
		t.Error("a minimum is not checked")
	}
}

func TestAStatusIsWrittenAlone(t *testing.T) {
	pools := load(t)["MesosNodePool"]
	stored, err := pools.Create(patched(t, pool, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	written, err := pools.UpdateStatus(stored, patched(t, pool, `{spec: {replicas: 9}, status: {readyReplicas: 2}}`))
	if err != nil {
		t.Fatal(err)
	}
	if written["spec"].(Object)["replicas"] != int64(3) || written["status"].(Object)["readyReplicas"] != int64(2) {
		t.Errorf("stored is %v", written)
	}
	updated, err := pools.Update(written, patched(t, pool, `{spec: {replicas: 9}, status: {readyReplicas: 7}}`))
	if err != nil {
		t.Fatal(err)
	}
	if updated["spec"].(Object)["replicas"] != int64(9) || updated["status"].(Object)["readyReplicas"] != int64(2) {
		t.Errorf("stored is %v", updated)
	}
	if _, err := pools.UpdateStatus(stored, Object{"status": Object{"readyReplicas": "two"}}); err == nil {
		t.Error("a status of another type is accepted")
	}
}

func TestLoadRefusesAFolderWithoutCRDs(t *testing.T) {
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("no error")
	}
}

func TestRulesAreFoundAtEachDepth(t *testing.T) {
	places := map[string]bool{}
	for _, rule := range load(t)["MesosNodePool"].Rules() {
		places[rule.Place+" "+rule.Reported] = true
	}
	for _, want := range []string{" ", "spec spec.replicas", "spec.template.metadata.labels spec.template.metadata.labels",
		"spec.template.spec.shapes[].resources.cpu spec.template.spec.shapes[].resources.cpu", "spec.placement.constraints[] spec.placement.constraints[]"} {
		if !places[want] {
			t.Errorf("no rule has place and reported path %q: %v", want, places)
		}
	}
}

// A client in Go sends zero values of some fields, which must be valid.
func TestMinimalObjectsOfGoClientsAreAccepted(t *testing.T) {
	kinds := load(t)
	template := v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
		Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("16Gi")}}}
	reference := v1alpha1.FrameworkReference{Name: "default"}
	name := metav1.ObjectMeta{Name: "a"}
	for kind, object := range map[string]any{
		"MesosFramework": v1alpha1.MesosFramework{ObjectMeta: name, Spec: v1alpha1.MesosFrameworkSpec{Masters: []string{"m:5050"}}},
		"MesosNodePool": v1alpha1.MesosNodePool{ObjectMeta: name, Spec: v1alpha1.MesosNodePoolSpec{
			FrameworkRef: reference, Autoscaling: &v1alpha1.Autoscaling{}, Template: template}},
		"MesosNode": v1alpha1.MesosNode{ObjectMeta: name, Spec: v1alpha1.MesosNodeSpec{FrameworkRef: reference, Template: template}},
	} {
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := Parse(string(data))
		if err != nil {
			t.Fatal(err)
		}
		sent["apiVersion"], sent["kind"] = v1alpha1.GroupVersion.String(), kind
		if _, err := kinds[kind].Create(sent); err != nil {
			t.Errorf("%s %s: %v", kind, data, err)
		}
	}
}

// A framework whose address of ZooKeeper holds a password, as earlier releases asked for, goes
// on. The password can be moved into a secret, in one step or in two.
func TestStoredFrameworksMayKeepAPasswordInTheAddress(t *testing.T) {
	stored := patched(t, framework, masters("zk://me:secret@zk1:2181,zk2:2181/mesos"))
	if err := load(t)["MesosFramework"].CheckRatcheting(Stored{
		Object: stored,
		Accepted: []string{
			`spec: {failoverTimeout: 24h, roles: [a, b]}`, `spec: {zookeeperCredentials: {secretRef: {name: zookeeper}}}`,
			`spec: {masters: ["zk://zk1:2181,zk2:2181/mesos"], zookeeperCredentials: {secretRef: {name: zookeeper}}}`,
			`spec: {masters: ["zk://zk1:2181,zk2:2181/mesos"]}`, `spec: {tls: {secretRef: {name: ca}}}`,
		},
		Refused: []string{masters("zk://me:other@zk1:2181,zk2:2181/mesos"), masters("zk://me:secret@zk3:2181/mesos")},
	}); err != nil {
		t.Error(err)
	}
}

// A pool whose artifacts have passwords in their URIs goes on, can be changed in other ways, and
// its nodes can be created: each of them is a new object.
func TestStoredPoolsMayKeepPasswordsInURIs(t *testing.T) {
	kinds := load(t)
	const uri = "https://me:secret@files.example/kubelet"
	if err := kinds["MesosNodePool"].CheckRatcheting(Stored{
		Object: patched(t, pool, artifact("kubelet", uri, sha)),
		Accepted: []string{
			`spec: {replicas: 5}`, nodeSpec("overhead: {cpu: 200m}"), artifact("kubelet", "https://files.example/kubelet", sha),
		},
		Refused: []string{artifact("kubelet", "https://me:other@files.example/kubelet", sha), artifact("kubelet", "https://me:secret@files.example/other", sha),
			artifact("kubelet", uri, strings.Repeat("a", 64))},
	}); err != nil {
		t.Error(err)
	}
	if _, err := kinds["MesosNode"].Create(patched(t, node, artifact("kubelet", uri, sha))); err != nil {
		t.Errorf("a node of such a pool cannot be created: %v", err)
	}
}

// TestCRDsAreAcceptedByTheAPIServer checks what an API server checks of a CRD, among it that defaults
// obey the rules, and that the rules do not cost too much.
func TestCRDsAreAcceptedByTheAPIServer(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(crds, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d CRDs, error %v", len(files), err)
	}
	for _, file := range files {
		problems, err := CheckCRD(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems {
			t.Errorf("%s: %s", filepath.Base(file), problem)
		}
	}
}
