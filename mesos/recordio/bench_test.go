package recordio_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/k8sm/k8sm/mesos/recordio"
)

// BenchmarkReader reads records of the size of a status update, and of 10,000 offers.
func BenchmarkReader(b *testing.B) {
	for _, size := range []int{300, 5 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			count := 32<<20/size + 1
			stream := bytes.Repeat(append(fmt.Appendf(nil, "%d\n", size), make([]byte, size)...), count)
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				r := recordio.NewReader(bytes.NewReader(stream), recordio.MaxMasterRecord)
				for range count {
					if _, err := r.ReadRecord(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
