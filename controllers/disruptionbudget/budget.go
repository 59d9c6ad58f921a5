package disruptionbudget

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// defaultNodes is the share of a pool's nodes that may be disrupted if the pool sets no budget.
const defaultNodes = "10%"

// consolidation are the reasons for which the autoscaler removes nodes.
var consolidation = []v1alpha1.DisruptionReason{v1alpha1.DisruptionEmpty, v1alpha1.DisruptionUnderutilized}

// defaultReasons are the reasons that the default budget applies to: all but ScaleIn, which a
// person, or a scaler, asks for by number.
var defaultReasons = append([]v1alpha1.DisruptionReason{
	v1alpha1.DisruptionOutdated, v1alpha1.DisruptionDrifted, v1alpha1.DisruptionExpired, v1alpha1.DisruptionMaintenance,
}, consolidation...)

// Budgets are the disruption budgets of one pool.
type Budgets []limit

// limit is one budget.
type limit struct {
	nodes    intstr.IntOrString
	reasons  []v1alpha1.DisruptionReason // empty for all
	text     string                      // the schedule as it was written; empty if the budget always applies
	schedule cron.Schedule
	duration time.Duration
	problem  string // why the schedule is of no use; such a budget allows nothing
}

// New returns the budgets of a pool.
func New(pool *v1alpha1.MesosNodePool) Budgets {
	given := pool.Spec.Disruption.Budgets
	if len(given) == 0 {
		return defaults(pool)
	}
	out := make(Budgets, 0, len(given))
	for i := range given {
		out = append(out, newLimit(i, &given[i]))
	}
	return out
}

// defaults returns the budgets of a pool that sets none. autoscaling.scaleDown.budget is read for
// pools that were stored before spec.disruption existed.
func defaults(pool *v1alpha1.MesosNodePool) Budgets {
	share := intstr.FromString(defaultNodes)
	if pool.Spec.Autoscaling != nil && pool.Spec.Autoscaling.ScaleDown.Budget != nil {
		return Budgets{
			{nodes: *pool.Spec.Autoscaling.ScaleDown.Budget, reasons: consolidation},
			{nodes: share, reasons: slices.DeleteFunc(slices.Clone(defaultReasons), func(r v1alpha1.DisruptionReason) bool { return slices.Contains(consolidation, r) })},
		}
	}
	return Budgets{{nodes: share, reasons: defaultReasons}}
}

func newLimit(index int, given *v1alpha1.DisruptionBudget) limit {
	out := limit{nodes: given.Nodes, reasons: given.Reasons, text: given.Schedule}
	if given.Schedule == "" {
		return out
	}
	if given.Duration != nil {
		out.duration = given.Duration.Duration
	}
	schedule, err := cron.ParseStandard(given.Schedule)
	switch {
	case err != nil:
		out.problem = fmt.Sprintf("spec.disruption.budgets[%d].schedule %q cannot be read (%s)", index, given.Schedule, err)
	case schedule.Next(time.Unix(0, 0).UTC()).IsZero():
		out.problem = fmt.Sprintf("spec.disruption.budgets[%d].schedule %q names a time that never comes", index, given.Schedule)
	}
	out.schedule = schedule
	return out
}

// Problem returns what is wrong with the budgets, in words; empty if nothing is. A budget with a
// problem allows nothing for its reasons.
func (b Budgets) Problem() string {
	var problems []string
	for i := range b {
		if b[i].problem != "" {
			problems = append(problems, b[i].problem)
		}
	}
	return strings.Join(problems, "; ")
}

// Usage is what a pool's budgets are spent on.
type Usage struct {
	// Nodes is the number of the pool's nodes, those that are leaving among them.
	Nodes int
	// Disrupted is the number of them that are leaving, or have ceased to be Ready.
	Disrupted int
}

// Allowance is what budgets leave.
type Allowance struct {
	// Remaining is the number of further nodes that may be disrupted now. It is not negative.
	Remaining int
	// Limit is what keeps Remaining from being larger, in words.
	Limit string
	// Budget names the budget that does, without numbers that change with the pool.
	Budget string
	// Until is when the answer may change although no node does; zero for never.
	Until time.Time
}

// Allow returns what the budgets leave for a reason. If no budget applies to the reason,
// everything is allowed.
func (b Budgets) Allow(reason v1alpha1.DisruptionReason, now time.Time, usage Usage) Allowance {
	out := Allowance{Remaining: math.MaxInt32}
	for i := range b {
		l := &b[i]
		if len(l.reasons) > 0 && !slices.Contains(l.reasons, reason) {
			continue
		}
		applies, until := l.at(now)
		if !until.IsZero() && (out.Until.IsZero() || until.Before(out.Until)) {
			out.Until = until
		}
		if !applies {
			continue
		}
		allowed := Resolve(l.nodes, usage.Nodes)
		if l.problem != "" {
			allowed = 0
		}
		if remaining := max(allowed-usage.Disrupted, 0); remaining < out.Remaining {
			out.Remaining, out.Limit, out.Budget = remaining, l.describe(allowed, until, usage), l.name()
		}
	}
	return out
}

// at reports whether the budget applies, and when that changes; zero for never.
func (l *limit) at(now time.Time) (applies bool, until time.Time) {
	if l.text == "" || l.problem != "" {
		return true, time.Time{}
	}
	now = now.UTC()
	// The first time of the schedule whose duration is not over.
	begin := l.schedule.Next(now.Add(-l.duration))
	switch {
	case begin.IsZero():
		return false, time.Time{}
	case begin.After(now):
		return false, begin
	}
	return true, begin.Add(l.duration)
}

// name names the budget by its fields.
func (l *limit) name() string {
	if l.text == "" {
		return "the disruption budget of " + l.nodes.String()
	}
	return fmt.Sprintf("the disruption budget of %s (schedule %.128s)", l.nodes.String(), l.text)
}

// describe returns what the budget allows and what uses it.
func (l *limit) describe(allowed int, until time.Time, usage Usage) string {
	if l.problem != "" {
		return l.problem
	}
	text := fmt.Sprintf("the disruption budget of %s allows %d of %s at a time", l.nodes.String(), allowed, messages.Count(usage.Nodes, "node", "nodes"))
	if l.text != "" {
		text += fmt.Sprintf(" until %s (schedule %s)", until.Format(time.RFC3339), l.text)
	}
	if usage.Disrupted > 0 {
		text += fmt.Sprintf(", and %s leaving or not ready", messages.Count(usage.Disrupted, "is", "are"))
	}
	return text
}

// Resolve returns the number of nodes that a number or a percentage stands for, given the size of
// the pool. Percentages are rounded up. What is neither stands for none.
func Resolve(value intstr.IntOrString, nodes int) int {
	if value.Type == intstr.Int {
		return max(value.IntValue(), 0)
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(value.StrVal, "%"))
	if err != nil {
		return 0
	}
	return max(int(math.Ceil(float64(nodes)*float64(percent)/100)), 0)
}
