package scheduling

// slotSet is a set of slots, one bit each. The zero value is empty.
type slotSet []uint64

func (s *slotSet) add(slot int) {
	for slot/64 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[slot/64] |= 1 << (slot % 64)
}

func (s slotSet) remove(slot int) {
	if slot/64 < len(s) {
		s[slot/64] &^= 1 << (slot % 64)
	}
}

func (s slotSet) has(slot int) bool {
	return slot/64 < len(s) && s[slot/64]&(1<<(slot%64)) != 0
}

// word returns the slots from 64·i on, one bit each.
func (s slotSet) word(i int) uint64 {
	if i >= len(s) {
		return 0
	}
	return s[i]
}
