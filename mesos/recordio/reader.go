// Package recordio reads the streams of records that Mesos' masters and agents answer
// SUBSCRIBE with, and decodes them. What they mean it does not know. mesos/session and
// mesos/executor read with it.
package recordio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// MasterMost is enough for any record of a master: 10,000 offers take a tenth of it.
const MasterMost = 64 << 20

// Bounds of a stream of records.
const (
	// keepMost is the largest buffer that is kept from one record to the next.
	keepMost = 1 << 20
	// digitsMost is as long as a record's length may be written.
	digitsMost = 20
)

// ErrMalformed is wrapped when a stream holds something that is not RecordIO, or a record
// something that is not its message.
var ErrMalformed = errors.New("malformed stream")

// Reader reads a stream: a length in digits, a newline, so many bytes. (Not the
// library's reader: it takes at most 4 MiB, or half of what it is told at once, and
// panics on lengths beyond 63 bits.)
type Reader struct {
	r    *bufio.Reader
	most uint64
	buf  bytes.Buffer
}

// NewReader reads from r, ahead of what it gives. Most is the length in bytes of the
// longest record that it takes.
func NewReader(r io.Reader, most int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), most: uint64(most)}
}

// ReadFrame gives the next record, which is valid until the next call; io.EOF when the
// stream ends between two records. Memory grows with what has come, not with what was
// announced.
func (d *Reader) ReadFrame() ([]byte, error) {
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
func (d *Reader) readLength() (int64, error) {
	for {
		line, err := d.readDigits()
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseUint(string(line), 10, 64)
		switch {
		case err != nil:
			return 0, d.noLength(line)
		case n > d.most:
			return 0, fmt.Errorf("%w: a record of %d bytes, more than %d", ErrMalformed, n, d.most)
		case n > 0: // an empty record says nothing
			return int64(n), nil
		}
	}
}

// readDigits reads up to a newline, and not much further than a number is long.
func (d *Reader) readDigits() ([]byte, error) {
	line := make([]byte, 0, digitsMost)
	for {
		b, err := d.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("reading a record's length: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		case b == '\n':
			return line, nil
		case b < '0' || b > '9' || len(line) == digitsMost:
			return nil, d.noLength(append(line, b))
		}
		line = append(line, b)
	}
}

// noLength shows what stands where a record's length is due.
func (d *Reader) noLength(found []byte) error {
	next, _ := d.r.Peek(min(d.r.Buffered(), 40)) // what is there is enough
	return fmt.Errorf("%w: %q where a record's length is due", ErrMalformed, slices.Concat(found, next))
}
