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
)

// ErrMalformed is wrapped by the error for a stream that is not RecordIO, or a record that is
// not the expected message.
var ErrMalformed = errors.New("malformed stream")

// Reader reads a stream of records. Each is its length in decimal digits, a newline, and that
// many bytes. (The library's reader is not used: it takes at most 4 MiB, or allocates half of
// what a length announces at once, and panics on lengths beyond 63 bits.)
type Reader struct {
	r         *bufio.Reader
	maxRecord uint64
	buf       []byte
	// digits has room for a length, so that reading one allocates nothing.
	digits [maxLengthDigits]byte
}

// NewReader returns a Reader that takes records of at most maxRecord bytes. It reads r ahead
// of the records that it returns.
func NewReader(r io.Reader, maxRecord int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, readBuffer), maxRecord: uint64(maxRecord)}
}

// ReadRecord returns the next record that is not empty. The record is valid until the next
// call. The error is io.EOF when the stream ends between two records, wraps
// io.ErrUnexpectedEOF when it ends within one, and ErrMalformed when it is not RecordIO or
// the record is too long. Memory grows with the bytes that have arrived, not with the length
// that was announced.
func (d *Reader) ReadRecord() ([]byte, error) {
	n, err := d.readLength()
	if err != nil {
		return nil, err
	}
	if cap(d.buf) > maxKeptBuffer {
		d.buf = nil
	}
	d.buf = d.buf[:0]
	for len(d.buf) < n {
		has := len(d.buf)
		growth := min(max(has, minGrowth), n-has)
		d.buf = slices.Grow(d.buf, growth)[:has+growth]
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
		digits, err := d.readDigits()
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseUint(string(digits), 10, 64)
		switch {
		case err != nil:
			return 0, d.lengthError(digits)
		case n > d.maxRecord:
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
