package codec

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// EncodeJSON writes a message as Mesos writes JSON: what is not set is left out,
// doubles have a point, 64-bit integers are numbers. An empty list is written only
// if it is not nil: the operator API has such.
func EncodeJSON(message any) ([]byte, error) {
	e := &jsonEncoder{}
	e.message(reflect.ValueOf(message).Elem())
	return e.out, e.err
}

type jsonEncoder struct {
	out []byte
	err error
}

func (e *jsonEncoder) message(v reflect.Value) {
	e.out = append(e.out, '{')
	first := true
	for _, f := range fieldsOf(v.Type()) {
		field := v.Field(f.index)
		if !f.isSet(field) {
			continue
		}
		if !first {
			e.out = append(e.out, ',')
		}
		first = false
		e.out = append(e.out, f.key...)
		e.value(f, field)
	}
	e.out = append(e.out, '}')
}

// isSet of required fields is always true, of others whether they hold anything.
func (f protoField) isSet(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map:
		return !v.IsNil()
	case reflect.Slice:
		return !v.IsNil() || f.required
	}
	return f.required || !v.IsZero()
}

func (e *jsonEncoder) value(f protoField, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		e.value(f, v.Elem())
	case reflect.Struct:
		e.message(v)
	case reflect.String:
		e.text(v.String())
	case reflect.Bool:
		e.out = strconv.AppendBool(e.out, v.Bool())
	case reflect.Float32, reflect.Float64:
		e.double(v.Float())
	case reflect.Slice:
		e.list(f, v)
	case reflect.Map:
		e.entries(f, v)
	default:
		e.integer(f, v)
	}
}

func (e *jsonEncoder) integer(f protoField, v reflect.Value) {
	switch {
	case f.enum:
		e.text(v.Interface().(fmt.Stringer).String())
	case v.CanInt():
		e.out = strconv.AppendInt(e.out, v.Int(), 10)
	case v.CanUint():
		e.out = strconv.AppendUint(e.out, v.Uint(), 10)
	default:
		e.err = fmt.Errorf("field %s has a type that is not JSON's", f.name)
	}
}

func (e *jsonEncoder) double(d float64) {
	if math.IsNaN(d) || math.IsInf(d, 0) {
		e.err = fmt.Errorf("%v is not JSON", d)
		return
	}
	text := strconv.FormatFloat(d, 'g', -1, 64)
	if exponent := strings.IndexByte(text, 'e'); exponent >= 0 && math.Abs(d) < 1e15 {
		text = strconv.FormatFloat(d, 'f', -1, 64)
	}
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	e.out = append(e.out, text...)
}

// text writes a string as encoding/json does, but for plain ones in one piece.
func (e *jsonEncoder) text(s string) {
	special := func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }
	if !strings.ContainsFunc(s, special) {
		e.out = append(append(append(e.out, '"'), s...), '"')
		return
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		e.err = err
	}
	e.out = append(e.out, quoted...)
}

func (e *jsonEncoder) list(f protoField, v reflect.Value) {
	if !f.repeated { // bytes
		e.out = append(e.out, '"')
		e.out = base64.StdEncoding.AppendEncode(e.out, v.Bytes())
		e.out = append(e.out, '"')
		return
	}
	e.out = append(e.out, '[')
	for i := range v.Len() {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.value(f, v.Index(i))
	}
	e.out = append(e.out, ']')
}

func (e *jsonEncoder) entries(f protoField, v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.out = append(e.out, '{')
	for i, key := range keys {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.text(key.String())
		e.out = append(e.out, ':')
		e.value(f, v.MapIndex(key))
	}
	e.out = append(e.out, '}')
}
