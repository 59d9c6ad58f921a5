package recordio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReaderAcceptsAnyChunking(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3<<20)
	stream := fmt.Sprintf("5\nhello0\n1\n\n%d\n%s3\nend", len(long), long)
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(stream),
		"byte by byte": iotest.OneByteReader(strings.NewReader(stream)),
		"halves":       iotest.HalfReader(strings.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := NewReader(r, MaxMasterRecord)
			for _, want := range []string{"hello", "\n", long, "end"} {
				got, err := d.ReadRecord()
				if err != nil || string(got) != want {
					t.Fatalf("got %d bytes, %v; want %d bytes", len(got), err, len(want))
				}
			}
			if _, err := d.ReadRecord(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

func TestReaderRejectsInvalidRecords(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stream string
		want   error
	}{
		"no digits":              {"\n", ErrMalformed},
		"letters":                {"5x\nhello", ErrMalformed},
		"a sign":                 {"+5\nhello", ErrMalformed},
		"longer than a message":  {"2147483648\n", ErrMalformed},
		"cut in a skipped head":  {"33554433\nshort", io.ErrUnexpectedEOF},
		"cut in a skipped rest":  {"33554433\n" + strings.Repeat("x", 100), io.ErrUnexpectedEOF},
		"beyond 63 bits":         {"18446744073709551615\n", ErrMalformed},
		"leading zeros for ever": {strings.Repeat("0", 30), ErrMalformed},
		"cut in the length":      {"5", io.ErrUnexpectedEOF},
		"cut in the record":      {"5\nhell", io.ErrUnexpectedEOF},
		"cut before the record":  {"5\n", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := NewReader(strings.NewReader(tc.stream), MaxMasterRecord).ReadRecord(); !errors.Is(err, tc.want) {
				t.Errorf("got %q, %v; want %v", got, err, tc.want)
			}
		})
	}
}

// A record that is too long takes no memory, and the records after it are read.
func TestReaderSkipsRecordsThatAreTooLong(t *testing.T) {
	t.Parallel()
	long := "\x08\x06" + strings.Repeat("x", 40<<20)
	stream := fmt.Sprintf("5\nhello%d\n%s3\nend", len(long), long)
	d := NewReader(iotest.HalfReader(strings.NewReader(stream)), MaxMasterRecord)
	if got, err := d.ReadRecord(); err != nil || string(got) != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	var tooLong *TooLongError
	if _, err := d.ReadRecord(); !errors.As(err, &tooLong) {
		t.Fatalf("got %v, want a TooLongError", err)
	}
	if tooLong.Length != len(long) || tooLong.Limit != MaxMasterRecord || !strings.HasPrefix(string(tooLong.Head), "\x08\x06x") {
		t.Errorf("got %+v", tooLong)
	}
	if tooLong.Error() != "a record of 41943042 bytes, more than 33554432" {
		t.Errorf("the error reads %q", tooLong)
	}
	if cap(d.buf) > maxKeptBuffer {
		t.Errorf("the buffer has %d bytes", cap(d.buf))
	}
	if got, err := d.ReadRecord(); err != nil || string(got) != "end" {
		t.Fatalf("after the skipped record: %q, %v", got, err)
	}
	if _, err := d.ReadRecord(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// A record of exactly the limit is taken.
func TestReaderTakesRecordsUpToItsLimit(t *testing.T) {
	t.Parallel()
	d := NewReader(strings.NewReader("4\nfour5\nfive!2\nok"), 4)
	if got, err := d.ReadRecord(); err != nil || string(got) != "four" {
		t.Errorf("got %q, %v", got, err)
	}
	var tooLong *TooLongError
	if _, err := d.ReadRecord(); !errors.As(err, &tooLong) || string(tooLong.Head) != "five!" {
		t.Errorf("got %v", err)
	}
	if got, err := d.ReadRecord(); err != nil || string(got) != "ok" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A record must not allocate memory for bytes that its length announces and nobody sends.
func TestReaderAllocatesOnlyReceivedBytes(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 20 {
		_, _ = NewReader(strings.NewReader("33554432\nshort"), MaxMasterRecord).ReadRecord()
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 20<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"5\nhello", "0\n0\n", "18446744073709551615\n", "5\nhe", "", "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		d := NewReader(bytes.NewReader(stream), MaxMasterRecord)
		for range len(stream) + 1 {
			record, err := d.ReadRecord()
			if tooLong := (*TooLongError)(nil); errors.As(err, &tooLong) {
				continue
			}
			if err != nil {
				return
			}
			if len(record) == 0 {
				t.Fatal("an empty record")
			}
		}
		t.Fatal("more records than bytes")
	})
}
