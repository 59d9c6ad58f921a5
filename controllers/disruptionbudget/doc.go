// Package disruptionbudget decides how many nodes of a pool may be disrupted voluntarily, with the semantics
// of Karpenter's disruption budgets.
//
// [New] reads the budgets of a pool. [Budgets.Allow] returns what they leave for a reason, given
// how many nodes are disrupted already, for whatever reason: several causes never add up beyond a
// budget. It is pure.
//
// It knows neither nodes nor who wants to remove them. poolnodes.Store spends the budgets;
// deciders ask beforehand, so that they do not propose what would be refused.
package disruptionbudget
