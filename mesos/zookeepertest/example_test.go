package zookeepertest_test

import (
	"context"
	"fmt"

	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/zookeepertest"
)

// A test starts a server, registers masters, and lets a detector read them.
func Example() {
	pipe := zookeepertest.Listen("10.0.0.1", 2181)
	server := zookeepertest.NewServer(pipe)
	server.Set("/mesos/json.info_0000000001", []byte(`{"address":{"ip":"10.1.0.1","port":5050}}`))

	ensemble, err := detector.ParseEnsemble("zk://10.0.0.1:2181/mesos")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	detector.Run(ctx, detector.Config{
		Ensemble: ensemble,
		Dial:     pipe.Dial,
		OnFinding: func(f detector.Finding) {
			fmt.Printf("%s:%d leads\n", f.Master.IP, f.Master.Port)
			cancel()
		},
	})
	if err := server.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: 10.1.0.1:5050 leads
}
