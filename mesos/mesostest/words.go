package mesostest

import "fmt"

// words are an error in the words of a real Mesos, for clients to read. Whatever
// its words are: capitals and full stops, too.
type words string

func (w words) Error() string { return string(w) }

func worded(format string, args ...any) error { return words(fmt.Sprintf(format, args...)) }
