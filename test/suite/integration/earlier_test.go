package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// earlierOperator leaves in API server and Mesos what the operator of commit 0c8bb91, the last one
// before issue 11, left there: objects with the status that it wrote, and running tasks.
type earlierOperator struct {
	master    *mesostest.Master
	zooKeeper string
	// launched is the number of tasks.
	launched int
}

// leave creates the objects in a file below testdata/upgrade, and launches a task for each
// MesosNode. These words are replaced in the file:
//
//	MASTER, ZOOKEEPER      addresses
//	FRAMEWORK_ID           the ID that the master gave
//	POOL_UID               of the MesosNodePool that stands last before the word
//	TASK_ID, AGENT_ID,     of the task of the MesosNode that stands last before the word
//	AGENT_HOSTNAME,
//	AGENT_ADDRESS
func (e *earlierOperator) leave(file, framework string) {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join("testdata", "upgrade", file))
	Expect(err).NotTo(HaveOccurred())
	s := e.subscribe(framework)
	defer s.stream.Close()
	words := map[string]string{"MASTER": e.master.Addr(), "ZOOKEEPER": e.zooKeeper, "FRAMEWORK_ID": s.id}
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		object := parse(replaceWords(document, words))
		Expect(strict.Create(ctx, object.DeepCopy())).To(Succeed())
		stored := object.DeepCopy()
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(object), stored)).To(Succeed())
		switch object.GetKind() {
		case "MesosNodePool":
			words["POOL_UID"] = string(stored.GetUID())
		case "MesosNode":
			words["TASK_ID"] = fmt.Sprintf("%s.%.8s.1", object.GetName(), stored.GetUID())
			s.launch(words)
			e.launched++
			object = parse(replaceWords(document, words))
		}
		e.setStatus(object)
	}
}

// setStatus writes the status of an object that was created, and removes the taint that the API
// server gives to new Nodes.
func (e *earlierOperator) setStatus(object *unstructured.Unstructured) {
	GinkgoHelper()
	stored := object.DeepCopy()
	Expect(strict.Get(ctx, client.ObjectKeyFromObject(object), stored)).To(Succeed())
	if object.GetKind() == "Node" {
		unstructured.RemoveNestedField(stored.Object, "spec", "taints")
		Expect(strict.Update(ctx, stored)).To(Succeed())
	}
	if status, found := object.Object["status"]; found {
		stored.Object["status"] = status
		Expect(strict.Status().Update(ctx, stored)).To(Succeed())
	}
}

func replaceWords(text string, words map[string]string) string {
	for word, value := range words {
		text = strings.ReplaceAll(text, "${"+word+"}", value)
	}
	return text
}

// earlierScheduler is a subscribed framework.
type earlierScheduler struct {
	caller calls.Caller
	stream mesos.Response
	id     string
	offers []mesos.Offer
}

// subscribe registers a framework as the operator did.
func (e *earlierOperator) subscribe(name string) *earlierScheduler {
	GinkgoHelper()
	s := &earlierScheduler{caller: httpsched.NewCaller(httpcli.New(
		httpcli.Endpoint(e.master.URL()+"/api/v1/scheduler"), httpcli.Do(httpcli.With(httpcli.BasicAuth("k8sm", "s3cret"))),
	))}
	principal, week, checkpoint := "k8sm", 604800.0, true
	info := &mesos.FrameworkInfo{
		User: "root", Name: name, Principal: &principal, Roles: []string{"k8sm"}, FailoverTimeout: &week, Checkpoint: &checkpoint,
		Capabilities: []mesos.FrameworkInfo_Capability{
			{Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}, {Type: mesos.FrameworkInfo_Capability_PARTITION_AWARE},
		},
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	DeferCleanup(cancel)
	var err error
	s.stream, err = s.caller.Call(bounded, calls.Subscribe(info))
	Expect(err).NotTo(HaveOccurred())
	s.id = s.next(schedulerpb.Event_SUBSCRIBED).Subscribed.FrameworkID.Value
	return s
}

// next returns the next event of a type, and keeps the offers that come before.
func (s *earlierScheduler) next(wanted schedulerpb.Event_Type) *schedulerpb.Event {
	GinkgoHelper()
	for {
		var event schedulerpb.Event
		Expect(s.stream.Decode(&event)).To(Succeed())
		if event.Type == schedulerpb.Event_OFFERS {
			s.offers = append(s.offers, event.Offers.Offers...)
		}
		if event.Type == wanted {
			return &event
		}
	}
}

// launch launches the task TASK_ID on an agent of its own, awaits that it runs, and adds words
// about the agent.
func (s *earlierScheduler) launch(words map[string]string) {
	GinkgoHelper()
	if len(s.offers) == 0 {
		s.next(schedulerpb.Event_OFFERS)
	}
	offer := s.offers[0]
	s.offers = s.offers[1:]
	task := mesos.TaskInfo{
		Name: words["TASK_ID"], TaskID: mesos.TaskID{Value: words["TASK_ID"]}, AgentID: offer.AgentID, Resources: offer.Resources, Data: []byte(launchedBefore),
		Executor: &mesos.ExecutorInfo{
			Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: words["TASK_ID"]}, Command: &mesos.CommandInfo{},
		},
	}
	call := func(c *schedulerpb.Call) {
		GinkgoHelper()
		Expect(calls.CallNoData(ctx, s.caller, c.With(calls.Framework(s.id)))).To(Succeed())
	}
	call(calls.Accept(calls.OfferOperations{calls.OpLaunch(task)}.WithOffers(offer.ID)))
	status := s.next(schedulerpb.Event_UPDATE).Update.Status
	Expect(status.GetState()).To(Equal(mesos.TASK_RUNNING))
	call(calls.Acknowledge(status.AgentID.Value, status.TaskID.Value, status.UUID))
	words["AGENT_ID"], words["AGENT_HOSTNAME"], words["AGENT_ADDRESS"] = offer.AgentID.Value, offer.Hostname, offer.URL.Address.GetIP()
}
