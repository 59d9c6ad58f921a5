package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
)

// LogFile stores what a program writes. It keeps between one and two times limit bytes on
// disk, in the file and in <file>.1, and the last lines in memory.
type LogFile struct {
	path  string
	limit int64

	mu   sync.Mutex
	file *os.File
	size int64
	tail []byte
}

const (
	logLimit  = 16 << 20 // bytes
	tailLimit = 2048     // bytes
)

// OpenLog opens a log file of up to 16 MiB, twice, for a program's output.
func OpenLog(path string) (*LogFile, error) { return openLog(path, logLimit) }

func openLog(path string, limit int64) (*LogFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, fmt.Errorf("opening log: %w", err)
	}
	return &LogFile{path: path, limit: limit, file: f}, nil
}

// Write never fails: a full disk must not stop the program that logs.
func (l *LogFile) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, data...)
	if n := len(l.tail); n > 2*tailLimit {
		// One byte more than the limit, so that LastLines knows that the first line is cut.
		l.tail = append(l.tail[:0], l.tail[n-tailLimit-1:]...)
	}
	if l.size >= l.limit {
		l.rotate()
	}
	if l.file != nil {
		n, _ := l.file.Write(data)
		l.size += int64(n)
	}
	return len(data), nil
}

func (l *LogFile) rotate() {
	if l.file != nil {
		_ = l.file.Close()
	}
	_ = os.Rename(l.path, l.path+".1")
	l.file, _ = os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	l.size = 0
}

// LastLines returns up to n whole lines, the latest last.
func (l *LogFile) LastLines(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	tail := l.tail
	if len(tail) > tailLimit {
		tail = tail[len(tail)-tailLimit:]
		if i := bytes.IndexByte(tail, '\n'); i >= 0 {
			tail = tail[i+1:]
		}
	}
	lines := strings.Split(strings.TrimRight(string(tail), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Close closes the file. What is written afterwards is kept in memory only.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return f.Close()
}
