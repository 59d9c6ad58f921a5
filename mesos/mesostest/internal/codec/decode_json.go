package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// DecodeJSON reads a message as Mesos reads JSON: field names as in the .proto
// files, unknown fields and unknown enum values left out, required fields looked
// for, errors in Mesos' words. encoding/json would be stricter here and laxer there.
func DecodeJSON(data []byte, message any, name string) error {
	value, err := parseJSON(data)
	if err != nil {
		return mesoserror.Errorf("Failed to parse body into JSON: %v", err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return mesoserror.Errorf("Failed to convert JSON into %s protobuf: Expecting a JSON object", name)
	}
	d := &ObjectDecoder{}
	if own, ok := message.(objectReader); ok {
		own.DecodeObject(d, object)
	} else {
		d.message(object, reflect.ValueOf(message).Elem(), "")
	}
	if d.err == nil && len(d.missing) > 0 {
		d.err = mesoserror.Errorf("Missing required fields: %s", strings.Join(d.missing, ", "))
	}
	if d.err != nil {
		return mesoserror.Errorf("Failed to convert JSON into %s protobuf: %v", name, d.err)
	}
	return nil
}

// objectReader is a message that reads itself out of a JSON object.
type objectReader interface {
	DecodeObject(d *ObjectDecoder, object map[string]any)
}

// Into reads the object into the message that target points to. The path names the
// object in errors; it is empty or ends with a point.
func (d *ObjectDecoder) Into(object map[string]any, target any, path string) {
	d.message(object, reflect.ValueOf(target).Elem(), path)
}

// parseJSON parses one JSON value, with errors as picojson words them.
func parseJSON(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, syntaxError(data, err)
	}
	rest := data[decoder.InputOffset():]
	if trimmed := bytes.TrimSpace(rest); len(trimmed) > 0 {
		return nil, mesoserror.Errorf("Parsed JSON included non-whitespace trailing characters: %s", rest)
	}
	return value, nil
}

func syntaxError(data []byte, err error) error {
	at := len(data)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		at = max(0, min(at, int(syntax.Offset)-1))
	}
	line := 1 + bytes.Count(data[:at], []byte("\n"))
	near, _, _ := strings.Cut(string(data[at:]), "\n")
	return fmt.Errorf("syntax error at line %d near: %s", line, near)
}

// ObjectDecoder reads messages out of JSON objects, and keeps the first error and all missing
// fields.
type ObjectDecoder struct {
	missing []string
	err     error
}

func (d *ObjectDecoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

func (d *ObjectDecoder) message(object map[string]any, target reflect.Value, path string) {
	for _, f := range fieldsOf(target.Type()) {
		value, ok := object[f.name]
		set := ok && value != nil && d.field(f, value, target.Field(f.index), path+f.name)
		if f.required && !set && d.err == nil {
			d.missing = append(d.missing, path+f.name)
		}
	}
}

// field reports whether the value was taken: an unknown enum value is not.
func (d *ObjectDecoder) field(f protoField, value any, target reflect.Value, path string) bool {
	if !f.repeated {
		return d.single(f, value, target, path)
	}
	if target.Kind() == reflect.Map {
		return d.entries(f, value, target, path)
	}
	list, ok := value.([]any)
	if !ok {
		d.unexpected(f, value)
		return false
	}
	for i, item := range list {
		element := reflect.New(target.Type().Elem()).Elem()
		if d.single(f, item, element, fmt.Sprintf("%s[%d]", path, i)) {
			target.Set(reflect.Append(target, element))
		}
	}
	return true
}

func (d *ObjectDecoder) entries(f protoField, value any, target reflect.Value, path string) bool {
	object, ok := value.(map[string]any)
	if !ok {
		d.unexpected(f, value)
		return false
	}
	target.Set(reflect.MakeMap(target.Type()))
	for key, item := range object {
		element := reflect.New(target.Type().Elem()).Elem()
		if d.single(f, item, element, path+"."+key) {
			target.SetMapIndex(reflect.ValueOf(key), element)
		}
	}
	return true
}

func (d *ObjectDecoder) single(f protoField, value any, target reflect.Value, path string) bool {
	if target.Kind() == reflect.Pointer {
		element := reflect.New(target.Type().Elem())
		if !d.single(f, value, element.Elem(), path) {
			return false
		}
		target.Set(element)
		return true
	}
	switch v := value.(type) {
	case map[string]any:
		if target.Kind() != reflect.Struct {
			d.unexpected(f, value)
			return false
		}
		d.message(v, target, path+".")
		return true
	case string:
		return d.text(f, v, target)
	case json.Number:
		return d.number(f, v, target)
	case bool:
		if target.Kind() == reflect.Bool {
			target.SetBool(v)
			return true
		}
	}
	d.unexpected(f, value)
	return false
}

func (d *ObjectDecoder) text(f protoField, value string, target reflect.Value) bool {
	switch {
	case f.enum:
		quoted := strconv.AppendQuote(nil, value)
		unmarshaler, ok := target.Addr().Interface().(json.Unmarshaler)
		return ok && unmarshaler.UnmarshalJSON(quoted) == nil
	case target.Kind() == reflect.String:
		target.SetString(value)
	case target.Kind() == reflect.Slice && target.Type().Elem().Kind() == reflect.Uint8:
		return d.bytes(f, value, target)
	default:
		d.unexpected(f, value)
		return false
	}
	return true
}

func (d *ObjectDecoder) bytes(f protoField, value string, target reflect.Value) bool {
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		reason := err.Error()
		var corrupt base64.CorruptInputError
		if errors.As(err, &corrupt) && int(corrupt) < len(value) {
			reason = fmt.Sprintf("Invalid character '%c'", value[corrupt])
		}
		d.fail("Failed to base64 decode bytes field '%s': %s", f.name, reason)
		return false
	}
	target.SetBytes(raw)
	return true
}

func (d *ObjectDecoder) number(f protoField, value json.Number, target reflect.Value) bool {
	if f.enum {
		d.unexpected(f, value)
		return false
	}
	real, err := value.Float64()
	if err != nil {
		d.fail("Number of field '%s' is out of range", f.name)
		return false
	}
	switch {
	case target.CanFloat():
		target.SetFloat(real)
	case target.CanInt():
		whole, err := value.Int64()
		if err != nil {
			whole = int64(real)
		}
		target.SetInt(whole)
	case target.CanUint():
		whole, err := strconv.ParseUint(value.String(), 10, 64)
		if err != nil {
			whole = uint64(real)
		}
		target.SetUint(whole)
	default:
		d.unexpected(f, value)
		return false
	}
	return true
}

func (d *ObjectDecoder) unexpected(f protoField, value any) {
	kind := "object"
	switch value.(type) {
	case []any:
		kind = "array"
	case string:
		kind = "string"
	case json.Number:
		kind = "number"
	case bool:
		kind = "boolean"
	}
	d.fail("Not expecting a JSON %s for field '%s'", kind, f.name)
}
