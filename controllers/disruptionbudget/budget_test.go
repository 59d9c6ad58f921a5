package disruptionbudget_test

import (
	"math"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
)

// monday is 2026-11-30, 12:00 UTC.
var monday = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func poolWith(budgets ...v1alpha1.DisruptionBudget) *v1alpha1.MesosNodePool {
	return &v1alpha1.MesosNodePool{Spec: v1alpha1.MesosNodePoolSpec{Disruption: v1alpha1.Disruption{Budgets: budgets}}}
}

func number(n int32) v1alpha1.DisruptionBudget {
	return v1alpha1.DisruptionBudget{Nodes: intstr.FromInt32(n)}
}

func percent(text string) v1alpha1.DisruptionBudget {
	return v1alpha1.DisruptionBudget{Nodes: intstr.FromString(text)}
}

func scheduled(b v1alpha1.DisruptionBudget, schedule string, d time.Duration) v1alpha1.DisruptionBudget {
	b.Schedule, b.Duration = schedule, &metav1.Duration{Duration: d}
	return b
}

func reasons(b v1alpha1.DisruptionBudget, r ...v1alpha1.DisruptionReason) v1alpha1.DisruptionBudget {
	b.Reasons = r
	return b
}

func TestAllow(t *testing.T) {
	for name, test := range map[string]struct {
		budgets []v1alpha1.DisruptionBudget
		reason  v1alpha1.DisruptionReason
		now     time.Time
		usage   disruptionbudget.Usage
		want    int
		says    string
		until   time.Time
	}{
		"without budgets a tenth of the nodes may go":                    {usage: disruptionbudget.Usage{Nodes: 30}, want: 3},
		"without budgets one node of a small pool may go":                {usage: disruptionbudget.Usage{Nodes: 2}, want: 1},
		"without budgets a scale-in is not bounded":                      {reason: v1alpha1.DisruptionScaleIn, usage: disruptionbudget.Usage{Nodes: 30, Disrupted: 20}, want: math.MaxInt32},
		"nodes that are disrupted for another reason count":              {budgets: []v1alpha1.DisruptionBudget{number(5)}, usage: disruptionbudget.Usage{Nodes: 30, Disrupted: 4}, want: 1},
		"more disrupted nodes than the budget allows leave nothing":      {budgets: []v1alpha1.DisruptionBudget{number(5)}, usage: disruptionbudget.Usage{Nodes: 30, Disrupted: 9}, says: "the disruption budget of 5 allows 5 of 30 nodes at a time, and 9 are leaving or not ready"},
		"a budget without reasons applies to a scale-in, too":            {budgets: []v1alpha1.DisruptionBudget{number(5)}, reason: v1alpha1.DisruptionScaleIn, usage: disruptionbudget.Usage{Nodes: 30, Disrupted: 5}, says: "allows 5 of 30 nodes"},
		"the smallest budget counts":                                     {budgets: []v1alpha1.DisruptionBudget{number(5), percent("10%"), number(7)}, usage: disruptionbudget.Usage{Nodes: 20}, want: 2},
		"a percentage is rounded up":                                     {budgets: []v1alpha1.DisruptionBudget{percent("10%")}, usage: disruptionbudget.Usage{Nodes: 101}, want: 11},
		"a budget of another reason does not apply":                      {budgets: []v1alpha1.DisruptionBudget{reasons(number(0), v1alpha1.DisruptionExpired), number(3)}, usage: disruptionbudget.Usage{Nodes: 20}, want: 3},
		"a budget of 0 blocks":                                           {budgets: []v1alpha1.DisruptionBudget{reasons(number(0), v1alpha1.DisruptionOutdated)}, usage: disruptionbudget.Usage{Nodes: 20}, says: "the disruption budget of 0 allows 0 of 20 nodes at a time"},
		"no budget applies to the reason":                                {budgets: []v1alpha1.DisruptionBudget{reasons(number(0), v1alpha1.DisruptionExpired)}, usage: disruptionbudget.Usage{Nodes: 20}, want: math.MaxInt32},
		"a budget applies within its schedule":                           {budgets: []v1alpha1.DisruptionBudget{scheduled(number(0), "0 9 * * mon-fri", 8*time.Hour)}, usage: disruptionbudget.Usage{Nodes: 20}, says: "until 2026-11-30T17:00:00Z (schedule 0 9 * * mon-fri)", until: monday.Add(5 * time.Hour)},
		"a budget does not apply before its schedule":                    {budgets: []v1alpha1.DisruptionBudget{scheduled(number(0), "0 13 * * *", time.Hour)}, usage: disruptionbudget.Usage{Nodes: 20}, want: math.MaxInt32, until: monday.Add(time.Hour)},
		"a budget does not apply after its duration":                     {budgets: []v1alpha1.DisruptionBudget{scheduled(number(0), "0 9 * * *", 3*time.Hour)}, usage: disruptionbudget.Usage{Nodes: 20}, want: math.MaxInt32, until: monday.Add(21 * time.Hour)},
		"a budget begins to apply at the minute of its schedule":         {budgets: []v1alpha1.DisruptionBudget{scheduled(number(0), "0 12 * * *", time.Hour)}, usage: disruptionbudget.Usage{Nodes: 20}, until: monday.Add(time.Hour)},
		"a duration of more than a day covers the times of its schedule": {budgets: []v1alpha1.DisruptionBudget{scheduled(number(1), "@daily", 48*time.Hour)}, usage: disruptionbudget.Usage{Nodes: 20}, want: 1},
		"schedules count in UTC":                                         {budgets: []v1alpha1.DisruptionBudget{scheduled(number(0), "0 9 * * *", time.Hour)}, now: monday.Add(-150 * time.Minute).In(time.FixedZone("far", 7*3600)), usage: disruptionbudget.Usage{Nodes: 20}, until: monday.Add(-2 * time.Hour)},
		"a schedule that never comes allows nothing":                     {budgets: []v1alpha1.DisruptionBudget{scheduled(number(9), "0 0 30 2 *", time.Hour)}, usage: disruptionbudget.Usage{Nodes: 20}, says: "names a time that never comes"},
		"a schedule that cannot be read allows nothing":                  {budgets: []v1alpha1.DisruptionBudget{scheduled(number(9), "61 0 * * *", time.Hour)}, usage: disruptionbudget.Usage{Nodes: 20}, says: "spec.disruption.budgets[0].schedule \"61 0 * * *\" cannot be read"},
		"what is neither a number nor a percentage allows nothing":       {budgets: []v1alpha1.DisruptionBudget{percent("many")}, usage: disruptionbudget.Usage{Nodes: 20}, says: "allows 0 of 20"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.reason == "" {
				test.reason = v1alpha1.DisruptionOutdated
			}
			if test.now.IsZero() {
				test.now = monday
			}
			got := disruptionbudget.New(poolWith(test.budgets...)).Allow(test.reason, test.now, test.usage)
			if got.Remaining != test.want || !strings.Contains(got.Limit, test.says) {
				t.Errorf("leaves %d (%s), want %d (%s)", got.Remaining, got.Limit, test.want, test.says)
			}
			if !test.until.IsZero() && !got.Until.Equal(test.until) {
				t.Errorf("until %s, want %s", got.Until, test.until)
			}
		})
	}
}

func TestBudgetOfScaleDownAppliesUntilOthersAreSet(t *testing.T) {
	pool := poolWith()
	pool.Spec.Autoscaling = &v1alpha1.Autoscaling{ScaleDown: v1alpha1.ScaleDown{Budget: new(intstr.FromInt32(4))}}
	usage := disruptionbudget.Usage{Nodes: 100}
	remaining := func(reason v1alpha1.DisruptionReason) int {
		return disruptionbudget.New(pool).Allow(reason, monday, usage).Remaining
	}
	if got := []int{remaining(v1alpha1.DisruptionEmpty), remaining(v1alpha1.DisruptionUnderutilized), remaining(v1alpha1.DisruptionOutdated)}; got[0] != 4 || got[1] != 4 || got[2] != 10 {
		t.Errorf("Empty, Underutilized and Outdated leave %v, want 4, 4 and the default of 10", got)
	}
	pool.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{number(7)}
	if got := remaining(v1alpha1.DisruptionEmpty); got != 7 {
		t.Errorf("Empty leaves %d once budgets are set, want 7", got)
	}
}

func TestProblemNamesEveryBudgetThatIsOfNoUse(t *testing.T) {
	problem := disruptionbudget.New(poolWith(number(1), scheduled(number(1), "0 0 31 4 *", time.Hour), scheduled(number(1), "0 0 * * noday", time.Hour))).Problem()
	for _, part := range []string{"budgets[1].schedule \"0 0 31 4 *\" names a time that never comes", "budgets[2].schedule \"0 0 * * noday\" cannot be read"} {
		if !strings.Contains(problem, part) {
			t.Errorf("%q does not contain %q", problem, part)
		}
	}
	if problem := disruptionbudget.New(poolWith(number(1), scheduled(number(1), "@daily", time.Hour))).Problem(); problem != "" {
		t.Errorf("good budgets have a problem: %s", problem)
	}
}

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		value intstr.IntOrString
		nodes int
		want  int
	}{
		{intstr.FromInt32(3), 100, 3}, {intstr.FromInt32(0), 100, 0}, {intstr.FromInt32(-1), 100, 0},
		{intstr.FromString("10%"), 100, 10}, {intstr.FromString("10%"), 101, 11}, {intstr.FromString("10%"), 1, 1}, {intstr.FromString("10%"), 0, 0},
		{intstr.FromString("0%"), 100, 0}, {intstr.FromString("100%"), 7, 7}, {intstr.FromString(""), 100, 0},
	} {
		if got := disruptionbudget.Resolve(test.value, test.nodes); got != test.want {
			t.Errorf("%s of %d nodes is %d, want %d", test.value.String(), test.nodes, got, test.want)
		}
	}
}
