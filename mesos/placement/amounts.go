package placement

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// resourceKind is a kind of resource, in the order in which a lack of it is reported.
type resourceKind int

const (
	cpus resourceKind = iota
	mem
	disk
	ports
	kindCount
)

var kindNames = [kindCount]string{"cpus", "mem", "disk", "ports"}

// kindOf returns the kind of a resource by its name; false for kinds that are not used.
func kindOf(name string) (resourceKind, bool) {
	i := slices.Index(kindNames[:], name)
	return resourceKind(i), i >= 0
}

// amounts has an amount of each kind: ports by one, the others in thousandths, which is as
// fine as Mesos counts.
type amounts [kindCount]int64

// maxAmount is above any agent, and far from where sums of thousandths overflow.
const maxAmount = 1e12

// maxTotal keeps the sum over all offers of an agent from overflowing.
const maxTotal = 1000 * maxAmount

func thousandths(x float64) (int64, error) {
	if math.IsNaN(x) || x < 0 || x > maxAmount {
		return 0, fmt.Errorf("%g is no amount of a resource", x)
	}
	return int64(math.Round(x * 1000)), nil
}

func amountsOf(r Resources) (amounts, error) {
	var a amounts
	for k, x := range [...]float64{r.CPUs, r.MemMiB, r.DiskMiB} {
		n, err := thousandths(x)
		if err != nil {
			return a, fmt.Errorf("reading %s: %w", kindNames[k], err)
		}
		a[k] = n
	}
	if r.Ports < 0 || r.Ports > math.MaxUint16 {
		return a, fmt.Errorf("reading ports: %d is no count of ports", r.Ports)
	}
	a[ports] = int64(r.Ports)
	return a, nil
}

func (a amounts) toResources() Resources {
	return Resources{
		CPUs:    float64(a[cpus]) / 1000,
		MemMiB:  float64(a[mem]) / 1000,
		DiskMiB: float64(a[disk]) / 1000,
		Ports:   int(a[ports]),
	}
}

// covers reports whether b fits into a.
func (a *amounts) covers(b *amounts) bool {
	return a[cpus] >= b[cpus] && a[mem] >= b[mem] && a[disk] >= b[disk] && a[ports] >= b[ports]
}

func (a *amounts) add(b *amounts) {
	for k := range a {
		a[k] += b[k]
	}
}

// minus returns a less b, and zero where b has more.
func (a amounts) minus(b *amounts) amounts {
	for k := range a {
		a[k] = max(a[k]-b[k], 0)
	}
	return a
}

// text formats the kinds of which there is something: "2 cpus, 512 MiB mem".
func (a amounts) text() string {
	var parts []string
	for k := range kindCount {
		if a[k] > 0 {
			parts = append(parts, amountText(k, a[k])+" "+kindNames[k])
		}
	}
	return strings.Join(parts, ", ")
}

// amountText formats an amount with its unit, and without the name of its kind.
func amountText(k resourceKind, n int64) string {
	switch k {
	case ports:
		return strconv.FormatInt(n, 10)
	case cpus:
		return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64)
	}
	return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) + " MiB"
}
