// Package podlingtest is the whole of Kubernetes' pod lifecycle inside a Go test: a
// real API server, scheduler and controllers, and nodes whose containers are
// simulated, so that pods run, fail, are restarted and end as they do on a cluster.
// Failures come on demand, and time can be virtual: a back-off of five minutes is
// over in milliseconds.
//
//	func TestController(t *testing.T) {
//		t.Parallel()
//		c := podlingtest.Start(t, podlingtest.ManualTime())
//		go run(c.Config)                              // the controller, as in production
//		pod, err := c.Client.CoreV1().Pods("default").Create(…)
//		c.WaitFor(pod, podlingtest.Waiting("CrashLoopBackOff"))
//		c.Clock.Advance(5 * time.Minute)
//		c.WaitFor(pod, podlingtest.Restarts(3))
//	}
//
// It stands outside: it starts the podling program as `podling up`, one process for
// each cluster, and sees of it what any client of the API sees. So it needs little to
// compile, none of Kubernetes' own programs among it, and any number of clusters run
// side by side. [Start] says where the program comes from. It ends with the test,
// and even with a test that is killed.
//
// When a test has failed, its log shows what became of its pods, event by event, and
// what the reasons in there mean.
//
// For a cluster that several tests share, from TestMain or Ginkgo's BeforeSuite,
// there is [Up].
package podlingtest
