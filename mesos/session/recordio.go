package session

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds of a stream of records.
const (
	// recordMost is the longest record that is taken: 10,000 offers take a tenth of it.
	recordMost = 64 << 20
	// keepMost is the largest buffer that is kept from one record to the next.
	keepMost = 1 << 20
	// digitsMost is as long as a record's length may be written.
	digitsMost = 20
)

// errMalformed is what is wrapped when a stream holds something that is not RecordIO,
// or not an event.
var errMalformed = errors.New("malformed stream")

// recordReader reads RecordIO: a length in digits, a newline, so many bytes. (Not the
// library's reader: it takes at most 4 MiB, or half of what it is told at once, and
// panics on lengths beyond 63 bits.)
type recordReader struct {
	r   *bufio.Reader
	buf bytes.Buffer
}

func newRecordReader(r io.Reader) *recordReader {
	return &recordReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// ReadFrame gives the next record, which is valid until the next call; io.EOF when the
// stream ends between two records. Memory grows with what has come, not with what was
// announced.
func (d *recordReader) ReadFrame() ([]byte, error) {
	n, err := d.readLength()
	if err != nil {
		return nil, err
	}
	if d.buf.Cap() > keepMost {
		d.buf = bytes.Buffer{}
	}
	d.buf.Reset()
	if _, err := io.CopyN(&d.buf, d.r, n); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading a record of %d bytes: %w", n, err)
	}
	return d.buf.Bytes(), nil
}

// readLength reads the length of the next record that is not empty.
func (d *recordReader) readLength() (int64, error) {
	var n int64
	for digits := 0; ; digits++ {
		b, err := d.r.ReadByte()
		switch {
		case err != nil && digits > 0 && errors.Is(err, io.EOF):
			return 0, fmt.Errorf("reading a record's length: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return 0, err
		case b == '\n' && digits > 0 && n > 0:
			return n, nil
		case b == '\n' && digits > 0:
			digits = -1 // an empty record says nothing
		case b < '0' || b > '9' || digits >= digitsMost:
			return 0, fmt.Errorf("%w: %q where a record's length is due", errMalformed, d.context(b))
		default:
			n = n*10 + int64(b-'0')
			if n > recordMost {
				return 0, fmt.Errorf("%w: a record of more than %d bytes", errMalformed, recordMost)
			}
		}
	}
}

// context is what stands at a place that makes no sense, for a person.
func (d *recordReader) context(first byte) []byte {
	next, _ := d.r.Peek(min(d.r.Buffered(), 40))
	return append([]byte{first}, next...)
}
