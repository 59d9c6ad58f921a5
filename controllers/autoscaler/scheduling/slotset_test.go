package scheduling

import (
	"math/rand/v2"
	"testing"
)

func TestSlotSet(t *testing.T) {
	var s slotSet
	for _, slot := range []int{0, 63, 64, 200} {
		if s.has(slot) {
			t.Errorf("the empty set has %d", slot)
		}
		s.add(slot)
		s.add(slot)
		if !s.has(slot) {
			t.Errorf("%d was added and is not there", slot)
		}
	}
	s.remove(63)
	s.remove(100000) // beyond the end
	for slot, want := range map[int]bool{0: true, 1: false, 62: false, 63: false, 64: true, 65: false, 199: false, 200: true, 201: false, 100000: false} {
		if s.has(slot) != want {
			t.Errorf("the set has %d: %t, want %t", slot, s.has(slot), want)
		}
	}
	for i, want := range map[int]uint64{0: 1, 1: 1, 2: 0, 3: 1 << 8, 4: 0, 1000: 0} {
		if got := s.word(i); got != want {
			t.Errorf("word %d is %b, want %b", i, got, want)
		}
	}
}

func TestSlotSetIsASet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	var s slotSet
	want := map[int]bool{}
	for range 5000 {
		slot := random.IntN(300)
		if random.IntN(2) == 0 {
			s.add(slot)
			want[slot] = true
		} else {
			s.remove(slot)
			delete(want, slot)
		}
	}
	for slot := range 400 {
		if s.has(slot) != want[slot] {
			t.Errorf("the set has %d: %t, want %t", slot, s.has(slot), want[slot])
		}
	}
}
