package detector_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/zookeepertest"
)

// A changed login is used at once, also by a detector that is connected with the one before.
func TestAChangedLoginIsUsedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require := func(w *detection, login string) {
			w.each(func(s *zookeepertest.Server) { s.Inject(func(f *zookeepertest.Faults) { f.RequiredDigest = login }) })
		}
		w := startDetection(t, "zk://ignored:ignored@a:2181/mesos", func(w *detection) {
			w.login = detector.NewLogin("mesos:old")
			w.each(func(s *zookeepertest.Server) { s.Set("/mesos/json.info_0000000002", []byte(info("10.1.0.2"))) })
			require(w, "mesos:old")
		})
		w.expect("10.1.0.2:5050", time.Second)

		dialed := w.dialed.Load()
		w.login.Set("mesos:old")
		w.expectNothing(time.Hour)
		if n := w.dialed.Load(); n != dialed {
			t.Errorf("it connected %d times more with the login that it had", n-dialed)
		}

		require(w, "mesos:new")
		w.login.Set("mesos:new")
		w.expectNothing(3 * time.Second) // the leader is the same, and no failure is reported
		if n := w.dialed.Load(); n != dialed+1 {
			t.Errorf("it connected %d times more, want one connection with the new login", n-dialed)
		}
		w.set("json.info_0000000001", info("10.1.0.1"))
		w.expect("10.1.0.1:5050", time.Second)

		w.login.Set("mesos:wrong")
		w.expect("asking ZooKeeper at a:2181", 3*time.Second)
		w.login.Set("mesos:new")
		w.expect("10.1.0.1:5050", 3*time.Second)
	})
}
