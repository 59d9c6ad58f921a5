package codec

import (
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
)

// errWire is of bytes that are not protobuf, or lack a required field.
var errWire = errors.New("not a message")

// EachField calls visit with each field of a message: its number, and its value, a
// length-delimited one as bytes. Fixed ones are passed over.
func EachField(data []byte, visit func(number int, bytes []byte, value uint64) error) error {
	for len(data) > 0 {
		key, n := binary.Uvarint(data)
		if n <= 0 {
			return errWire
		}
		data = data[n:]
		var bytes []byte
		var value uint64
		size := 0
		switch key & 7 {
		case 0:
			if value, size = binary.Uvarint(data); size <= 0 {
				return errWire
			}
		case 1:
			size = 8
		case 2:
			length, n := binary.Uvarint(data)
			if n <= 0 || length > uint64(len(data)-n) {
				return errWire
			}
			bytes = data[n : n+int(length) : n+int(length)]
			size = n + int(length)
		case 5:
			size = 4
		default:
			return errWire
		}
		if size > len(data) {
			return errWire
		}
		data = data[size:]
		if err := visit(int(key>>3), bytes, value); err != nil {
			return err
		}
	}
	return nil
}

// DecodeFields reads the message that target points to, as decodeFields does.
func DecodeFields(data []byte, target any) error {
	return decodeMessage(data, reflect.ValueOf(target).Elem())
}

// decodeMessage reads a message of this package's own, by the numbers in its fields'
// tags. It knows what these messages have: strings, messages, enums, lists and maps
// of messages.
func decodeMessage(data []byte, message reflect.Value) error {
	fields := fieldsOf(message.Type())
	var seen []int
	err := EachField(data, func(number int, bytes []byte, value uint64) error {
		i := slices.IndexFunc(fields, func(f protoField) bool { return f.number == number })
		if i < 0 {
			return nil
		}
		seen = append(seen, number)
		return decodeField(message.Field(fields[i].index), bytes, value)
	})
	for _, f := range fields {
		if f.required && !slices.Contains(seen, f.number) {
			return errWire
		}
	}
	return err
}

func decodeField(field reflect.Value, bytes []byte, value uint64) error {
	switch field.Kind() {
	case reflect.Pointer:
		element := reflect.New(field.Type().Elem())
		if known, ok := element.Interface().(interface{ IsKnown() bool }); ok {
			element.Elem().SetInt(int64(int32(value)))
			if !known.IsKnown() {
				return nil
			}
		} else if err := decodeField(element.Elem(), bytes, value); err != nil {
			return err
		}
		field.Set(element)
	case reflect.String:
		field.SetString(string(bytes))
	case reflect.Struct:
		return decodeMessage(bytes, field)
	case reflect.Slice:
		element := reflect.New(field.Type().Elem()).Elem()
		if err := decodeField(element, bytes, value); err != nil {
			return err
		}
		field.Set(reflect.Append(field, element))
	case reflect.Map:
		return decodeEntry(field, bytes)
	}
	return nil
}

// decodeEntry reads an entry of a map: its key is field 1, its value field 2.
func decodeEntry(field reflect.Value, bytes []byte) error {
	key := ""
	element := reflect.New(field.Type().Elem()).Elem()
	err := EachField(bytes, func(number int, bytes []byte, value uint64) error {
		switch number {
		case 1:
			key = string(bytes)
		case 2:
			return decodeField(element, bytes, value)
		}
		return nil
	})
	if field.IsNil() {
		field.Set(reflect.MakeMap(field.Type()))
	}
	field.SetMapIndex(reflect.ValueOf(key), element)
	return err
}
