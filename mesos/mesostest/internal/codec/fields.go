package codec

import (
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// protoField is the protobuf tag of a generated struct's field.
type protoField struct {
	index, number            int
	name                     string
	key                      string // "name":
	required, repeated, enum bool
}

var protoFields sync.Map // reflect.Type → []protoField

func fieldsOf(t reflect.Type) []protoField {
	if cached, ok := protoFields.Load(t); ok {
		return cached.([]protoField)
	}
	var fields []protoField
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("protobuf")
		if !ok {
			continue
		}
		parts := strings.Split(tag, ",") // the wire type, the number, then the rest
		number, _ := strconv.Atoi(parts[1])
		f := protoField{index: i, number: number}
		for _, part := range parts[2:] {
			switch {
			case part == "req":
				f.required = true
			case part == "rep":
				f.repeated = true
			case strings.HasPrefix(part, "name="):
				f.name = strings.TrimPrefix(part, "name=")
				f.key = `"` + f.name + `":`
			case strings.HasPrefix(part, "enum="):
				f.enum = true
			}
		}
		fields = append(fields, f)
	}
	protoFields.Store(t, fields)
	return fields
}
