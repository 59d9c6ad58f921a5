package story

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTableTellsWhatHappenedWhatFailedAndWhatWasNotReached(t *testing.T) {
	table := Table([]Outcome{
		{Step: "Start", What: "it runs", Duration: 1500 * time.Millisecond},
		{Step: "Scale the pool", Duration: time.Second, Err: errors.New("no offers\nmany more lines")},
		{Step: "Delete", Skipped: true},
	})
	for _, want := range []string{
		" ok    Start              1.5s  it runs\n",
		" FAIL  Scale the pool     1.0s  no offers\n",
		" -     Delete                   not reached\n",
		"2.5s",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
}
