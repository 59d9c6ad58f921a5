package schema

import (
	"encoding/json"
	"errors"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// Stored is an object that an earlier release accepted and that is invalid by today's CRDs.
type Stored struct {
	Object Object
	// Accepted are changes that users must still be able to make, as merge patches in YAML.
	Accepted []string
	// Refused are changes that must be refused, as merge patches in YAML.
	Refused []string
}

// CheckRatcheting returns an error unless the stored object can still be used: the operator can
// change its labels and finalizers and its status, users can make the accepted changes, and the
// refused ones are refused. It also returns an error if the object is valid, because then it
// shows nothing.
func (k *Kind) CheckRatcheting(s Stored) error {
	if _, err := k.Create(s.Object); err == nil {
		return errors.New("the stored object is valid, so that it shows nothing about ratcheting")
	}
	labelled, err := Patch(s.Object, `metadata: {labels: {k8sm.io/test: a}, finalizers: [k8sm.io/test]}`)
	if err != nil {
		return err
	}
	if _, err := k.Update(s.Object, labelled); err != nil {
		return fmt.Errorf("changing labels and finalizers: %w", err)
	}
	status := Object{"status": map[string]any{"conditions": []any{map[string]any{
		"type": "Ready", "status": "False", "reason": "Test", "message": "", "lastTransitionTime": "2026-03-01T12:00:00Z"}}}}
	if _, err := k.UpdateStatus(s.Object, status); err != nil {
		return fmt.Errorf("changing the status: %w", err)
	}
	return errors.Join(k.checkChanges(s, s.Accepted, true), k.checkChanges(s, s.Refused, false))
}

// checkChanges returns the changes for which the result of the update is not the wanted one.
func (k *Kind) checkChanges(s Stored, patches []string, accepted bool) error {
	var problems []error
	for _, patch := range patches {
		object, err := Patch(s.Object, patch)
		if err != nil {
			return err
		}
		if _, err := k.Update(s.Object, object); (err == nil) != accepted {
			problems = append(problems, fmt.Errorf("the change %s: accepted is %t, want %t: %w", patch, err == nil, accepted, err))
		}
	}
	return errors.Join(problems...)
}

// Parse decodes an object in YAML.
func Parse(document string) (Object, error) {
	data, err := yaml.YAMLToJSONStrict([]byte(document))
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", document, err)
	}
	object := Object{}
	if err := utiljson.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", document, err)
	}
	return object, nil
}

// Patch returns the object with a merge patch (RFC 7386) in YAML applied to it. A null removes a
// field.
func Patch(object Object, patch string) (Object, error) {
	merge, err := yaml.YAMLToJSONStrict([]byte(patch))
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", patch, err)
	}
	if string(merge) == "null" {
		return runtime.DeepCopyJSON(object), nil
	}
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	data, err = jsonpatch.MergePatch(data, merge)
	if err != nil {
		return nil, fmt.Errorf("applying %s: %w", patch, err)
	}
	return Parse(string(data))
}
