package mesosframework

import "time"

const (
	// maxRematches bounds how often an ID is taken back from another scheduler in a row:
	// one that will not have it would be fought for ever.
	maxRematches = 3
	// rematchAfter is how long to wait before the first time; it doubles with each.
	rematchAfter = 30 * time.Second
	// peace is how long a session lives before the rivals of those before are forgotten.
	peace = time.Hour
)

// rematch tells when an ID that another scheduler took is to be taken back, and false
// when it is left to the other. A frozen operator that was woken takes it by accident,
// once; it is another thing if the other takes it again and again.
func (c *conversation) rematch(now time.Time) (at time.Time, again bool) {
	if c.lost.IsZero() {
		c.lost = now
	}
	rivals := c.rivals() - 1
	return c.lost.Add(rematchAfter << rivals), rivals < maxRematches
}

// rivals counts the sessions, this one included, that another scheduler ended in a row.
func (c *conversation) rivals() int {
	switch {
	case c.lost.IsZero():
		return 0
	case c.lost.Sub(c.began) >= peace:
		return 1
	}
	return c.fought + 1
}
