package loads

import (
	"math"
	"time"
)

// Pattern is a load, in pods of a cpu each.
type Pattern struct {
	Name  string
	Lasts time.Duration
	// Load returns the number of pods after a time.
	Load func(at time.Duration) int
}

// All returns the patterns by which the autoscaler is judged.
func All() []Pattern {
	return []Pattern{
		{"steady", 6 * time.Hour, func(time.Duration) int { return 40 }},
		{"steps", 8 * time.Hour, steps},
		{"spikes", 8 * time.Hour, spikes},
		{"ends", 4 * time.Hour, func(at time.Duration) int {
			if at < time.Hour {
				return 40
			}
			return 0
		}},
		wave("wave_4m", 8*time.Hour, 4*time.Minute),
		wave("wave_20m", 8*time.Hour, 20*time.Minute),
		wave("wave_40m", 8*time.Hour, 40*time.Minute),
		wave("wave_1h", 12*time.Hour, time.Hour),
		wave("wave_2h", 12*time.Hour, 2*time.Hour),
		wave("daily", 48*time.Hour, 24*time.Hour),
	}
}

// steps grows by the hour, and shrinks again.
func steps(at time.Duration) int {
	return []int{20, 40, 60, 80, 60, 40, 20, 20}[int(at.Hours())%8]
}

// spikes last for two minutes, once in two hours.
func spikes(at time.Duration) int {
	if at%(2*time.Hour) > time.Hour && at%(2*time.Hour) <= time.Hour+2*time.Minute {
		return 200
	}
	return 20
}

// wave oscillates between a minimum and five times as much.
func wave(name string, lasts, period time.Duration) Pattern {
	return Pattern{name, lasts, func(at time.Duration) int {
		return 60 + int(40*math.Sin(2*math.Pi*at.Seconds()/period.Seconds()))
	}}
}
