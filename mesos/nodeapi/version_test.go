package nodeapi

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// launchV1 and what it is made of are the Launch message as the executor of the first
// release reads it. They are frozen: never change them.
type launchV1 struct {
	Version          int               `json:"version"`
	NodeName         string            `json:"nodeName"`
	ProviderID       string            `json:"providerID"`
	APIServer        string            `json:"apiServer"`
	CAData           []byte            `json:"caData"`
	BootstrapToken   string            `json:"bootstrapToken"`
	Labels           map[string]string `json:"labels,omitempty"`
	Taints           []taintV1         `json:"taints,omitempty"`
	CPUs             float64           `json:"cpus"`
	MemMiB           float64           `json:"memMiB"`
	DiskMiB          float64           `json:"diskMiB,omitempty"`
	OverheadCPUs     float64           `json:"overheadCPUs"`
	OverheadMemMiB   float64           `json:"overheadMemMiB"`
	Address          string            `json:"address"`
	KubeletPort      int               `json:"kubeletPort"`
	StreamPort       int               `json:"streamPort,omitempty"`
	ClusterDNS       []string          `json:"clusterDNS,omitempty"`
	ClusterDomain    string            `json:"clusterDomain,omitempty"`
	StateDir         string            `json:"stateDir"`
	CacheMiB         int64             `json:"cacheMiB,omitempty"`
	ContainerRuntime string            `json:"containerRuntime"`
	SandboxImage     string            `json:"sandboxImage,omitempty"`
	Artifacts        []artifactV1      `json:"artifacts,omitempty"`
	KillGraceSeconds int               `json:"killGraceSeconds,omitempty"`
}

type artifactV1 struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"`
}

type taintV1 struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// decodeV1 is how the first release's executor read a message. Frozen as well.
func decodeV1(data []byte) (*launchV1, error) {
	var l launchV1
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, err
	}
	switch {
	case l.Version != 1:
		return nil, errors.New("version")
	case l.NodeName == "", !strings.HasPrefix(l.ProviderID, "mesos://"), l.APIServer == "", l.BootstrapToken == "", l.StateDir == "":
		return nil, errors.New("identity")
	case l.CPUs <= l.OverheadCPUs, l.MemMiB < l.OverheadMemMiB+16, l.DiskMiB < 0, l.CacheMiB < 0, l.KillGraceSeconds < 0:
		return nil, errors.New("resources")
	case l.KubeletPort < 1, l.ContainerRuntime == "containerd" && l.StreamPort < 1:
		return nil, errors.New("ports")
	case l.ContainerRuntime != "containerd" && l.ContainerRuntime != "none":
		return nil, errors.New("containerRuntime")
	}
	for _, a := range l.Artifacts {
		if a.Name == "" || a.URI == "" || len(a.SHA256) != 64 || a.Type != "Binary" && a.Type != "Archive" && a.Type != "Image" {
			return nil, errors.New("artifact")
		}
	}
	return &l, nil
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// asJSON returns the encoded value, for comparison.
func asJSON(t *testing.T, value any) (fields map[string]any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestThisReleaseReadsLaunchMessagesOfTheFirst(t *testing.T) {
	for _, name := range []string{"launch-v1.json", "launch-v1-least.json"} {
		t.Run(name, func(t *testing.T) {
			said, err := decodeV1(golden(t, name))
			if err != nil {
				t.Fatalf("the golden message is none: %v", err)
			}
			read, err := DecodeLaunchSpec(golden(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, said), asJSON(t, read)); diff != "" {
				t.Errorf("written (-) and read (+):\n%s", diff)
			}
		})
	}
}

func TestFirstReleaseReadsLaunchMessagesOfThis(t *testing.T) {
	for _, name := range []string{"launch-v1.json", "launch-v1-least.json"} {
		t.Run(name, func(t *testing.T) {
			l, err := DecodeLaunchSpec(golden(t, name))
			if err != nil {
				t.Fatal(err)
			}
			data, err := l.Encode()
			if err != nil {
				t.Fatal(err)
			}
			read, err := decodeV1(data)
			if err != nil {
				t.Fatalf("refused for its %v", err)
			}
			if diff := cmp.Diff(asJSON(t, l), asJSON(t, read)); diff != "" {
				t.Errorf("written (-) and read (+):\n%s", diff)
			}
		})
	}
}

// An operator that asks for what the first release knows nothing of, and whose executor
// must not overlook it, is refused by that executor; so is one of the next release by
// this one.
func TestFirstReleaseRefusesFieldsItMustNotIgnore(t *testing.T) {
	l := reflect.ValueOf(testLaunch()).Elem()
	for i := range l.NumField() {
		field := l.Type().Field(i)
		since, _ := strconv.Atoi(field.Tag.Get("version"))
		if since < 2 {
			continue
		}
		t.Run(field.Name, func(t *testing.T) {
			said := *testLaunch()
			set(reflect.ValueOf(&said).Elem().Field(i))
			rest := testLaunch() // an older executor sees nothing else of it
			rest.Version = leastVersion(said)
			data, err := json.Marshal(rest)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := decodeV1(data); err == nil {
				t.Error("the first release's executor overlooks it")
			}
		})
	}
}

// set gives a field any value but none.
func set(field reflect.Value) {
	switch field.Kind() {
	case reflect.Slice:
		field.Set(reflect.MakeSlice(field.Type(), 1, 1))
	case reflect.Map:
		field.Set(reflect.MakeMap(field.Type()))
	case reflect.Pointer:
		field.Set(reflect.New(field.Type().Elem()))
	case reflect.String:
		field.SetString("x")
	case reflect.Bool:
		field.SetBool(true)
	case reflect.Struct:
		set(field.Field(0))
	default:
		field.Set(reflect.ValueOf(1).Convert(field.Type()))
	}
}

func TestMessageOfALaterVersionIsRefused(t *testing.T) {
	tests := map[string]string{
		"the next version":             `{"version": ` + strconv.Itoa(LaunchSpecVersion+1) + `, "bootstrapToken": "` + testToken + `"}`,
		"a far one, with other types":  `{"version": 99, "nodeName": {"is": "an object"}, "bootstrapToken": "` + testToken + `"}`,
		"none":                         `{"bootstrapToken": "` + testToken + `"}`,
		"one from before there is any": `{"version": -1, "bootstrapToken": "` + testToken + `"}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeLaunchSpec([]byte(text))
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "version is") || !strings.Contains(err.Error(), `artifact "executor"`) {
				t.Errorf("error %v does not say that it is the version, and what to do", err)
			}
			if err != nil && strings.Contains(err.Error(), testToken) {
				t.Errorf("the error gives the token away: %v", err)
			}
		})
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	data, _ := testLaunch().Encode()
	data = append([]byte(`{"whatIsThis": {"a": 1}, `), data[1:]...)
	if _, err := DecodeLaunchSpec(data); err != nil {
		t.Error(err)
	}
}

func TestMessageHasTheLowestSufficientVersion(t *testing.T) {
	type message struct {
		Version int
		Old     string
		Hint    string   `version:"1"`
		New     []string `version:"2"`
		Newer   *int     `version:"3"`
	}
	tests := map[string]struct {
		message message
		want    int
	}{
		"nothing new":                   {message{Version: 9, Old: "x"}, 1},
		"what may be overlooked":        {message{Hint: "x"}, 1},
		"what must not":                 {message{New: []string{"x"}}, 2},
		"the newest of several fields":  {message{New: []string{"x"}, Newer: new(int)}, 3},
		"older things beside a new one": {message{Old: "x", Hint: "x", Newer: new(int)}, 3},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := leastVersion(tc.message); got != tc.want {
				t.Errorf("version %d, want %d", got, tc.want)
			}
		})
	}
}

// The author of a new field decides here how an older executor treats it.
func TestEachFieldNamesItsVersion(t *testing.T) {
	known := fields(reflect.TypeFor[launchV1]())
	newest := 1
	for name, field := range fields(reflect.TypeFor[LaunchSpec]()) {
		_, old := known[name]
		since, err := strconv.Atoi(field.Tag.Get("version"))
		newest = max(newest, since)
		switch {
		case old && field.Tag.Get("version") != "":
			t.Errorf("field %s was there before there were versions", name)
		case !old && (err != nil || since < 1):
			t.Errorf(`field %s has no tag version:"N"; version.go says which N is right`, name)
		}
	}
	if newest != LaunchSpecVersion {
		t.Errorf("LaunchVersion is %d, and the newest field is of version %d", LaunchSpecVersion, newest)
	}
	// Only the message itself is looked through for what is new.
	if diff := cmp.Diff(names(reflect.TypeFor[artifactV1]()), names(reflect.TypeFor[Artifact]())); diff != "" {
		t.Errorf("fields of Artifact:\n%s", diff)
	}
	if diff := cmp.Diff(names(reflect.TypeFor[taintV1]()), names(reflect.TypeFor[Taint]())); diff != "" {
		t.Errorf("fields of Taint:\n%s", diff)
	}
}

func fields(of reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		all[name] = of.Field(i)
	}
	return all
}

func names(of reflect.Type) map[string]bool {
	all := map[string]bool{}
	for name := range fields(of) {
		all[name] = true
	}
	return all
}
