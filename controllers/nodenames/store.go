package nodenames

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// configMapPrefix begins the names of the ConfigMaps. The number of the shard follows.
	configMapPrefix = "k8sm-node-names-"
	// maxTries is the maximum number of attempts at a write that meets conflicts.
	maxTries = 20
)

// +kubebuilder:rbac:groups="",namespace=k8sm-system,resources=configmaps,verbs=get;list;watch;create;update

// Store is the record of names. It is safe for concurrent use.
type Store struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Namespace holds the ConfigMaps.
	Namespace string
}

// Get returns what the cache has on record of a name, false if there is nothing.
func (s *Store) Get(ctx context.Context, name string) (Entry, bool, error) {
	shard := &corev1.ConfigMap{}
	err := s.Client.Get(ctx, s.key(shardOf(name)), shard, client.UnsafeDisableDeepCopy)
	if err != nil {
		return Entry{}, false, readingError(client.IgnoreNotFound(err))
	}
	entry, err := parseEntry(shard.Data[name])
	return entry, err == nil, nil
}

// IsRemoved reports whether a name is that of a removed node in whose name somebody may hold a
// certificate that is still valid, and until when.
func (s *Store) IsRemoved(ctx context.Context, name string, now time.Time) (until time.Time, removed bool, err error) {
	entry, known, err := s.Get(ctx, name)
	return entry.Until, known && entry.Removed && now.Before(entry.Until), err
}

// SetLive records the name of a node that exists. Until is the time at which its last
// certificate expires. If registrationTaint is true, the admission policies let its kubelet
// register only with that taint and without labels of k8sm.
//
// A later time that is on record stays. Only a name whose MesosNode vanished without being released
// goes by it, and each renewal of a certificate would be a write otherwise.
func (s *Store) SetLive(ctx context.Context, name string, until time.Time, registrationTaint bool) error {
	if known, found, err := s.Get(ctx, name); err == nil && found && !known.Removed && known.RegistrationTaint == registrationTaint && !known.Until.Before(until.Truncate(time.Second)) {
		return nil
	}
	return s.set(ctx, name, Entry{Until: until, RegistrationTaint: registrationTaint})
}

// SetRemoved records the name of a node that is gone, or is about to be. Until is the time at
// which its last certificate expires.
func (s *Store) SetRemoved(ctx context.Context, name string, until time.Time) error {
	return s.set(ctx, name, Entry{Removed: true, Until: until})
}

// set records a name. It returns once the record is durable. If the cache shows that it is
// already, nothing is written.
func (s *Store) set(ctx context.Context, name string, entry Entry) error {
	entry.Until = entry.Until.UTC().Truncate(time.Second)
	if known, found, err := s.Get(ctx, name); err == nil && found && known.String() == entry.String() {
		return nil
	}
	return s.update(ctx, shardOf(name), func(data map[string]string) {
		for _, dropped := range setEntry(data, name, entry) {
			namesDropped.Inc()
			log.FromContext(ctx).Info("Forgot the name of a removed node before its certificate has expired, because there are too many", "node", dropped)
		}
	})
}

// update changes a ConfigMap, and creates it if there is none. Writers that meet try again: a
// lock would be held while the API server answers.
func (s *Store) update(ctx context.Context, number int, change func(data map[string]string)) error {
	for range maxTries {
		err := s.tryUpdate(ctx, number, change)
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return fmt.Errorf("writing the names of nodes to ConfigMap %s: too many conflicts", s.key(number).Name)
}

func (s *Store) tryUpdate(ctx context.Context, number int, change func(data map[string]string)) error {
	shard := &corev1.ConfigMap{}
	err := s.Live.Get(ctx, s.key(number), shard)
	switch {
	case apierrors.IsNotFound(err):
		shard.ObjectMeta = metav1.ObjectMeta{
			Namespace: s.Namespace, Name: s.key(number).Name,
			Labels: map[string]string{v1alpha1.LabelNodeNames: "true", "app.kubernetes.io/managed-by": "k8sm"},
		}
	case err != nil:
		return readingError(err)
	}
	if shard.Data == nil {
		shard.Data = map[string]string{}
	}
	change(shard.Data)
	if shard.ResourceVersion == "" {
		err = s.Client.Create(ctx, shard)
	} else {
		err = s.Client.Update(ctx, shard)
	}
	if err != nil {
		return fmt.Errorf("writing the names of nodes: %w", err)
	}
	return nil
}

func (s *Store) key(number int) client.ObjectKey {
	return client.ObjectKey{Namespace: s.Namespace, Name: configMapPrefix + strconv.Itoa(number)}
}

func readingError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reading the names of nodes: %w", err)
}
