// Package recordio reads the streams of records that Mesos' masters and agents answer
// SUBSCRIBE with, and decodes them. What they mean it does not know. mesos/session and
// mesos/executor read with it.
package recordio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// MasterMost is enough for any record of a master: 10,000 offers take an eighth of it,
// and, with two dozen attributes and reservations each, two thirds.
const MasterMost = 32 << 20

// Bounds of a stream of records.
const (
	// leastStep is how much is made room for at once, at least.
	leastStep = 64 << 10
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
	buf  []byte
	// line is room for a length, so that a record costs no allocation for it.
	line [digitsMost]byte
}

// NewReader reads from r, ahead of what it gives. Most is the length in bytes of the
// longest record that it takes.
func NewReader(r io.Reader, most int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), most: uint64(most)}
}

// ReadFrame gives the next record, which is valid until the next call; io.EOF when the
// stream ends between two records. Memory grows with what has come, not with what was
// announced, and not beyond that.
func (d *Reader) ReadFrame() ([]byte, error) {
	n, err := d.readLength()
	if err != nil {
		return nil, err
	}
	if cap(d.buf) > keepMost {
		d.buf = nil
	}
	d.buf = d.buf[:0]
	for len(d.buf) < n {
		has := len(d.buf)
		step := min(max(has, leastStep), n-has)
		d.buf = slices.Grow(d.buf, step)[:has+step]
		if _, err := io.ReadFull(d.r, d.buf[has:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("reading a record of %d bytes: %w", n, err)
		}
	}
	return d.buf, nil
}

// readLength reads the length of the next record that is not empty.
func (d *Reader) readLength() (int, error) {
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
			return int(n), nil
		}
	}
}

// readDigits reads up to a newline, and not much further than a number is long.
func (d *Reader) readDigits() ([]byte, error) {
	line := d.line[:0]
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
			return nil, d.noLength(slices.Concat(line, []byte{b}))
		}
		line = append(line, b)
	}
}

// noLength shows what stands where a record's length is due.
func (d *Reader) noLength(found []byte) error {
	next, _ := d.r.Peek(min(d.r.Buffered(), 40)) // what is there is enough
	return fmt.Errorf("%w: %q where a record's length is due", ErrMalformed, slices.Concat(found, next))
}
