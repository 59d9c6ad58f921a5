// Package recordio reads RecordIO, the format of the streams with which Mesos' masters and
// agents answer SUBSCRIBE, and decodes the records. It does not know what they mean.
// mesos/session and mesos/executor read with it.
package recordio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// MaxMasterRecord is a bound that every record of a master keeps, in bytes: 10,000 offers
// need an eighth of it, and two thirds when each has two dozen attributes and reservations.
const MaxMasterRecord = 32 << 20

const (
	// readBuffer is the number of bytes that are read ahead.
	readBuffer = 64 << 10
	// minGrowth is the minimum by which the buffer of a record grows.
	minGrowth = 64 << 10
	// maxKeptBuffer is the largest buffer that is kept from one record to the next.
	maxKeptBuffer = 1 << 20
	// maxLengthDigits is the maximum number of digits of a record's length.
	maxLengthDigits = 20
	// maxQuote is the number of unexpected bytes that an error shows.
	maxQuote = 40
	// maxSkipped is the longest record that is skipped. No message of Mesos can be longer, so
	// that a longer one is not RecordIO.
	maxSkipped = 1<<31 - 1
	// headBytes is the number of bytes that are kept of a skipped record.
	headBytes = 16
)

// ErrMalformed is wrapped by the error for a stream that is not RecordIO, or a record that is
// not the expected message.
var ErrMalformed = errors.New("malformed stream")

// TooLongError is the error for a record that is longer than the Reader takes. The Reader has
// skipped it: the next call returns the next record.
type TooLongError struct {
	Length, Limit int // bytes
	// Head is the beginning of the record: the type of an event is in its first bytes.
	Head []byte
}

// Error implements error.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("a record of %d bytes, more than %d", e.Length, e.Limit)
}

// Reader reads a stream of records. Each is its length in decimal digits, a newline, and that
// many bytes. (The library's reader is not used: it takes at most 4 MiB, or allocates half of
// what a length announces at once, and panics on lengths beyond 63 bits.)
type Reader struct {
	r         *bufio.Reader
	maxRecord int
	buf       []byte
	// digits has room for a length, so that reading one allocates nothing.
	digits [maxLengthDigits]byte
}

// NewReader returns a Reader that takes records of at most maxRecord bytes. It reads r ahead
// of the records that it returns.
func NewReader(r io.Reader, maxRecord int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, readBuffer), maxRecord: maxRecord}
}

// ReadRecord returns the next record that is not empty. The record is valid until the next
// call. The error is io.EOF when the stream ends between two records, wraps
// io.ErrUnexpectedEOF when it ends within one, and ErrMalformed when it is not RecordIO. It
// is a *TooLongError for a record that was skipped. Memory grows with the bytes that have
// arrived, not with the length that was announced.
func (d *Reader) ReadRecord() ([]byte, error) {
	n, err := d.readLength()
	if err != nil {
		return nil, err
	}
	if cap(d.buf) > maxKeptBuffer {
		d.buf = nil
	}
	d.buf = d.buf[:0]
	if n > d.maxRecord {
		return nil, d.skip(n)
	}
	for len(d.buf) < n {
		has := len(d.buf)
		growth := min(max(has, minGrowth), n-has)
		d.buf = slices.Grow(d.buf, growth)[:has+growth]
		if _, err := io.ReadFull(d.r, d.buf[has:]); err != nil {
			return nil, recordError(n, err)
		}
	}
	return d.buf, nil
}

// recordError returns the error for a record that could not be read to its end.
func recordError(length int, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading a record of %d bytes: %w", length, err)
}

// skip reads a record to its end and keeps only its beginning.
func (d *Reader) skip(length int) error {
	head := make([]byte, min(length, headBytes))
	if _, err := io.ReadFull(d.r, head); err != nil {
		return recordError(length, err)
	}
	if _, err := d.r.Discard(length - len(head)); err != nil {
		return recordError(length, err)
	}
	return &TooLongError{Length: length, Limit: d.maxRecord, Head: head}
}

// readLength reads the length of the next record that is not empty.
func (d *Reader) readLength() (int, error) {
	for {
		digits, err := d.readDigits()
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseUint(string(digits), 10, 64)
		switch {
		case err != nil:
			return 0, d.lengthError(digits)
		case n > maxSkipped:
			return 0, fmt.Errorf("%w: a record of %d bytes, more than %d", ErrMalformed, n, d.maxRecord)
		case n > 0: // an empty record has no meaning
			return int(n), nil
		}
	}
}

// readDigits reads up to a newline, but not further than a length may be long.
func (d *Reader) readDigits() ([]byte, error) {
	digits := d.digits[:0]
	for {
		b, err := d.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && len(digits) > 0:
			return nil, fmt.Errorf("reading a record's length: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, err
		case b == '\n':
			return digits, nil
		case b < '0' || b > '9' || len(digits) == maxLengthDigits:
			return nil, d.lengthError(slices.Concat(digits, []byte{b}))
		}
		digits = append(digits, b)
	}
}

// lengthError shows what was found where a length is expected.
func (d *Reader) lengthError(found []byte) error {
	next, _ := d.r.Peek(min(d.r.Buffered(), maxQuote)) // shows what is buffered already
	return fmt.Errorf("%w: %q where a record's length is due", ErrMalformed, slices.Concat(found, next))
}
