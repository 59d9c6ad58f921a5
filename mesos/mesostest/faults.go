package mesostest

import "time"

// Faults of a master. The zero value has none. Counters count down as they strike.
type Faults struct {
	// NoLeader: no master leads; every call but /health gets 503.
	NoLeader bool
	// Recovering: this master leads, but has not finished recovery; 503.
	Recovering bool
	// RedirectTo is host:port of the leading master: every call but /health gets 307
	// with a protocol-relative Location.
	RedirectTo string
	// Delay before each call is looked at.
	Delay time.Duration
	// DropRequests of the next N calls: their connection closes, nothing happened.
	DropRequests int
	// DropResponses of the next N scheduler calls other than SUBSCRIBE: they are
	// executed, then their connection closes without an answer.
	DropResponses int
	// Malformed is written, once, into each scheduler's stream in place of its next record.
	Malformed []byte
	// DropEvents, if not nil, sees each event that is to be sent to a scheduler, by
	// its type (as "OFFERS"), and says whether it gets lost.
	DropEvents func(eventType string) bool
}
