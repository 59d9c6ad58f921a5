package demands

// maxUsedIDs limits what UsedIDs remembers.
const maxUsedIDs = 10000

// UsedIDs remembers the task IDs that were used last, so that a demand that arrives late
// does not use one again. The durable records prevent it for good. The zero value is ready.
type UsedIDs struct {
	used  map[string]bool
	order []string
}

// Add notes that an ID was used.
func (u *UsedIDs) Add(id string) {
	if u.used[id] {
		return
	}
	if u.used == nil {
		u.used = map[string]bool{}
	}
	u.used[id] = true
	u.order = append(u.order, id)
	if len(u.order) > maxUsedIDs {
		delete(u.used, u.order[0])
		u.order = u.order[1:]
	}
}

// Has reports whether an ID was used lately.
func (u *UsedIDs) Has(id string) bool { return u.used[id] }
