package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"sigs.k8s.io/yaml"
)

// Object is an object of Kubernetes as decoded from JSON, with int64 for integers.
type Object = map[string]any

// Kind validates the objects of one CRD.
type Kind struct {
	Name string

	structural *structuralschema.Structural
	// whole validates a whole object, status the part below status.
	whole, status validation.SchemaValidator
	rules         *cel.Validator
}

// Load reads the CRDs in a folder of YAML files. It returns the kinds by their names.
func Load(folder string) (map[string]*Kind, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(err, fmt.Errorf("reading CRDs: %d files in %s", len(files), folder))
	}
	kinds := map[string]*Kind{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(data, crd); err != nil {
			return nil, fmt.Errorf("decoding %s: %w", file, err)
		}
		kind, err := newKind(crd)
		if err != nil {
			return nil, fmt.Errorf("reading the schema of %s: %w", file, err)
		}
		kinds[kind.Name] = kind
	}
	return kinds, nil
}

func newKind(crd *apiextensionsv1.CustomResourceDefinition) (*Kind, error) {
	if n := len(crd.Spec.Versions); n != 1 {
		return nil, fmt.Errorf("the CRD has %d versions, want 1", n)
	}
	props := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, props, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(props)
	if err != nil {
		return nil, err
	}
	whole, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, err
	}
	below := props.Properties["status"]
	status, _, err := validation.NewSchemaValidator(&below)
	if err != nil {
		return nil, err
	}
	return &Kind{
		Name: crd.Spec.Names.Kind, structural: structural, whole: whole, status: status,
		rules: cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// Create returns the object as the API server would store it, or the errors with which it would
// refuse it. The object itself is not changed.
func (k *Kind) Create(object Object) (Object, error) {
	object = runtime.DeepCopyJSON(object)
	delete(object, "status")
	errs := k.decode(object)
	errs = append(errs, validation.ValidateCustomResource(nil, object, k.whole)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...)
	return k.finish(object, nil, errs)
}

// Update returns the object as the API server would store it over another one, or the errors
// with which it would refuse it. The stored object need not be valid: it may be of an earlier
// release. Its status is kept.
func (k *Kind) Update(stored, object Object) (Object, error) {
	stored, object = runtime.DeepCopyJSON(stored), runtime.DeepCopyJSON(object)
	delete(object, "status")
	if status, ok := stored["status"]; ok {
		object["status"] = status
	}
	k.decode(stored)
	errs := k.decode(object)
	correlated := common.NewCorrelatedObject(object, stored, &model.Structural{Structural: k.structural})
	errs = append(errs, validation.ValidateCustomResourceUpdate(nil, object, stored, k.whole, validation.WithRatcheting(correlated))...)
	errs = append(errs, k.validateChangedLists(stored, object)...)
	return k.finish(object, stored, errs, cel.WithRatcheting(correlated))
}

// UpdateStatus returns the stored object with another status, or the errors with which the API
// server would refuse the write. It needs no spec and no metadata in the object.
func (k *Kind) UpdateStatus(stored, object Object) (Object, error) {
	stored, status := runtime.DeepCopyJSON(stored), runtime.DeepCopyJSON(object)["status"]
	object = runtime.DeepCopyJSON(stored)
	object["status"] = status
	k.decode(stored)
	errs := k.decode(object)
	correlated := common.NewCorrelatedObject(object, stored, &model.Structural{Structural: k.structural})
	errs = append(errs, validation.ValidateCustomResourceUpdate(field.NewPath("status"), object["status"], stored["status"], k.status,
		validation.WithRatcheting(correlated.Key("status")))...)
	errs = append(errs, k.validateChangedLists(stored, object)...)
	return k.finish(object, stored, errs, cel.WithRatcheting(correlated))
}

// decode reports unknown fields, removes them, and sets defaults. The API server also sets the
// defaults of objects that it reads from its store.
func (k *Kind) decode(object Object) field.ErrorList {
	unknown := pruning.PruneWithOptions(object, k.structural, true, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.PruneNonNullableNullsWithoutDefaults(object, k.structural)
	defaulting.Default(object, k.structural)
	var errs field.ErrorList
	for _, path := range unknown {
		errs = append(errs, field.Invalid(field.NewPath(path), nil, "unknown field"))
	}
	return errs
}

// validateChangedLists validates lists that are sets or maps, unless the stored ones are invalid,
// too.
func (k *Kind) validateChangedLists(stored, object Object) field.ErrorList {
	if len(listtype.ValidateListSetsAndMaps(nil, k.structural, stored)) > 0 {
		return nil
	}
	return listtype.ValidateListSetsAndMaps(nil, k.structural, object)
}

// finish evaluates the rules, if the errors so far allow it, and returns the object or all errors.
func (k *Kind) finish(object, stored Object, errs field.ErrorList, options ...cel.Option) (Object, error) {
	ctx := context.Background()
	errs = append(errs, objectmeta.Validate(ctx, nil, object, k.structural, false)...)
	if !blocksRules(errs) {
		var old any
		if stored != nil {
			old = stored
		}
		more, _ := k.rules.Validate(ctx, nil, k.structural, object, old, celconfig.RuntimeCELCostBudget, options...)
		errs = append(errs, more...)
	}
	if len(errs) > 0 {
		return nil, Errors(errs)
	}
	return object, nil
}

// blocksRules reports whether the API server evaluates no rule because of errors in the schema.
func blocksRules(errs field.ErrorList) bool {
	for _, err := range errs {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		}
	}
	return false
}

// Errors are the causes of a refusal.
type Errors field.ErrorList

// Error implements error.
func (e Errors) Error() string { return field.ErrorList(e).ToAggregate().Error() }
