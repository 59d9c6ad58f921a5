package node

import "context"

type pass struct{}

func (r *Reconciler) finalize(ctx context.Context, p *pass) error   { return nil }
func (r *Reconciler) launch(ctx context.Context, p *pass) error     { return nil }
func (r *Reconciler) register(ctx context.Context, p *pass) error   { return nil }
func (r *Reconciler) expire(ctx context.Context, p *pass) error     { return nil }
func (r *Reconciler) sumUp(ctx context.Context, p *pass) error      { return nil }
func (r *Reconciler) withdraw(ctx context.Context, p *pass) error   { return nil }
func (r *Reconciler) force(ctx context.Context, p *pass) error      { return nil }
func (r *Reconciler) cordon(ctx context.Context, p *pass) error     { return nil }
func (r *Reconciler) drain(ctx context.Context, p *pass) error      { return nil }
func (r *Reconciler) kill(ctx context.Context, p *pass) error       { return nil }
func (r *Reconciler) deleteNode(ctx context.Context, p *pass) error { return nil }
func (r *Reconciler) revoke(ctx context.Context, p *pass) error     { return nil }
func (r *Reconciler) release(ctx context.Context, p *pass) error    { return nil }
