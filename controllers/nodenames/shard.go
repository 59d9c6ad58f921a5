package nodenames

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// shardCount is the number of ConfigMaps over which the names are spread. A ConfigMap
	// holds one mebibyte at most.
	shardCount = 16
	// maxNames is the number of names in one ConfigMap: with the longest names they take less
	// than 840 KiB.
	maxNames = 8000

	// stateLive and stateRemoved begin the value of a name. The time until which a certificate
	// may be valid follows. The admission policies read them.
	stateLive    = "live"
	stateRemoved = "removed"
	// markTaint ends the value of a live name whose kubelet registers with the registration taint.
	// The admission policies read it.
	markTaint = "registration-taint"
)

// Entry is what is on record of a name.
type Entry struct {
	// Removed is true if the node of this name is gone.
	Removed bool
	// Until is the time at which the last certificate in this name expires.
	Until time.Time
	// RegistrationTaint is true if the kubelet of a live node was told to register with the
	// registration taint, and without labels of k8sm.
	RegistrationTaint bool
}

// String returns the entry as it is in the ConfigMap.
func (e Entry) String() string {
	state := stateLive
	if e.Removed {
		state = stateRemoved
	}
	text := state + " " + e.Until.UTC().Format(time.RFC3339)
	if e.RegistrationTaint && !e.Removed {
		text += " " + markTaint
	}
	return text
}

// parseEntry reads an entry. Only a person can have written one that cannot be read.
func parseEntry(text string) (Entry, error) {
	state, rest, _ := strings.Cut(text, " ")
	until, mark, marked := strings.Cut(rest, " ")
	if state != stateLive && state != stateRemoved {
		return Entry{}, fmt.Errorf("%q does not begin with %s or %s", text, stateLive, stateRemoved)
	}
	t, err := time.Parse(time.RFC3339, until)
	if err != nil || marked && mark != markTaint {
		return Entry{}, fmt.Errorf("%q has no time in the form of RFC 3339, or something else after it", text)
	}
	return Entry{Removed: state == stateRemoved, Until: t, RegistrationTaint: marked}, nil
}

// shardOf returns the number of the ConfigMap that holds a name.
func shardOf(name string) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name)) // It never fails.
	return int(hash.Sum32() % shardCount)
}

// setEntry puts an entry into the data of a ConfigMap. It returns the names that it had to drop
// to make room: those of removed nodes whose certificates expire first.
func setEntry(data map[string]string, name string, entry Entry) (dropped []string) {
	data[name] = entry.String()
	if len(data) <= maxNames {
		return nil
	}
	removed := slices.DeleteFunc(slices.Sorted(maps.Keys(data)), func(other string) bool {
		e, err := parseEntry(data[other])
		return other == name || err == nil && !e.Removed
	})
	slices.SortStableFunc(removed, func(a, b string) int { return strings.Compare(expiryText(data[a]), expiryText(data[b])) })
	dropped = removed[:min(len(removed), len(data)-maxNames)]
	for _, other := range dropped {
		delete(data, other)
	}
	return dropped
}

// expiryText returns the time of an entry, in a form that sorts by time.
func expiryText(text string) string {
	_, until, _ := strings.Cut(text, " ")
	return until
}

// expire removes the names whose time is over from the data of a ConfigMap, and those that
// cannot be read. Next is the time at which the next one is due, zero for never.
func expire(data map[string]string, now time.Time) (removed int, next time.Time) {
	for name, text := range data {
		entry, err := parseEntry(text)
		switch {
		case err != nil, entry.Removed && !now.Before(entry.Until):
			delete(data, name)
			removed++
		case entry.Removed && (next.IsZero() || entry.Until.Before(next)):
			next = entry.Until
		}
	}
	return removed, next
}
