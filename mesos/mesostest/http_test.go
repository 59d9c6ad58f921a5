package mesostest

import (
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer is what a client gets, as far as these tests look at it.
type answer struct {
	Status                       int
	Location, Authenticate, Body string
}

// get makes a GET, without following redirects.
func get(t *testing.T, url string, credentials ...string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(credentials) == 2 {
		request.SetBasicAuth(credentials[0], credentials[1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header.Get("Location"), response.Header.Get("WWW-Authenticate"), string(body)}
}

func TestPathsOfAMaster(t *testing.T) {
	m := startMaster(t, MasterOptions{Version: "1.9.0"})
	const noGET = "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'."
	for path, want := range map[string]answer{
		"/health":                  {Status: 200},
		"/health/":                 {Status: 200},
		"/master/health":           {Status: 200},
		"/version":                 {Status: 200, Body: `{"version":"1.9.0"}`},
		"/master/version":          {Status: 200, Body: `{"version":"1.9.0"}`},
		"/redirect":                {Status: 307, Location: "//" + m.Addr()},
		"/master/redirect":         {Status: 307, Location: "//" + m.Addr()},
		"/":                        {Status: 404},
		"/state":                   {Status: 404},
		"/api":                     {Status: 404},
		"/api/v1":                  {Status: 405, Body: noGET},
		"/api/v1/":                 {Status: 405, Body: noGET},
		"/api/v1/anything":         {Status: 405, Body: noGET},
		"/api/v1/scheduler":        {Status: 405, Body: noGET},
		"/master/api/v1/scheduler": {Status: 405, Body: noGET},
	} {
		t.Run(path, func(t *testing.T) {
			if diff := cmp.Diff(want, get(t, m.URL()+path)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

// A master that does not lead, or not yet, answers with a redirect or 503.
func TestAnswersOfAMasterThatDoesNotLead(t *testing.T) {
	for name, test := range map[string]struct {
		faults Faults
		want   map[string]answer
	}{
		"without a leader": {Faults{NoLeader: true}, map[string]answer{
			"/health":           {Status: 200},
			"/redirect":         {Status: 503, Body: "No leader elected"},
			"/version":          {Status: 503, Body: "No leader elected"},
			"/api/v1/scheduler": {Status: 503, Body: "No leader elected"},
		}},
		"during recovery": {Faults{Recovering: true}, map[string]answer{
			"/health":           {Status: 200},
			"/redirect":         {Status: 307, Location: "//SELF"},
			"/version":          {Status: 503, Body: "Master has not finished recovery"},
			"/api/v1/scheduler": {Status: 503, Body: "Master has not finished recovery"},
		}},
		"another master leads": {Faults{RedirectTo: "10.0.0.1:5050"}, map[string]answer{
			"/health":           {Status: 200},
			"/redirect":         {Status: 307, Location: "//10.0.0.1:5050"},
			"/api/v1/scheduler": {Status: 307, Location: "//10.0.0.1:5050/master/api/v1/scheduler"},
			"/master/api/v1":    {Status: 307, Location: "//10.0.0.1:5050/master/api/v1"},
		}},
		"no leader is answered before a redirect": {Faults{NoLeader: true, RedirectTo: "10.0.0.1:5050"}, map[string]answer{
			"/redirect": {Status: 503, Body: "No leader elected"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := startMaster(t, MasterOptions{Faults: test.faults})
			for path, want := range test.want {
				if want.Location == "//SELF" {
					want.Location = "//" + m.Addr()
				}
				if diff := cmp.Diff(want, get(t, m.URL()+path)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			}
		})
	}
}

func TestCredentials(t *testing.T) {
	m := startMaster(t, MasterOptions{Credentials: map[string]string{"p": "secret", "empty": ""}})
	const (
		refused    = "401 Unauthorized."
		scheduler  = `Basic realm="mesos-master-scheduler"`
		everywhere = `Basic realm="mesos-master-readwrite"`
	)
	for name, test := range map[string]struct {
		path        string
		credentials []string
		want        answer
	}{
		"the right secret":                     {"/version", []string{"p", "secret"}, answer{Status: 200, Body: `{"version":"1.11.1"}`}},
		"an empty secret":                      {"/version", []string{"empty", ""}, answer{Status: 200, Body: `{"version":"1.11.1"}`}},
		"no credentials":                       {"/version", nil, answer{401, "", everywhere, refused}},
		"no credentials for the scheduler API": {"/api/v1/scheduler", nil, answer{401, "", scheduler, refused}},
		"another secret":                       {"/version", []string{"p", "else"}, answer{401, "", everywhere, refused}},
		"a part of the secret":                 {"/version", []string{"p", "secre"}, answer{401, "", everywhere, refused}},
		"a principal that is unknown":          {"/version", []string{"q", "secret"}, answer{401, "", everywhere, refused}},
		"a principal without a name":           {"/version", []string{"", ""}, answer{401, "", everywhere, refused}},
		"health needs no credentials":          {"/health", nil, answer{Status: 200}},
		"an unknown page needs credentials":    {"/state", nil, answer{401, "", everywhere, refused}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, get(t, m.URL()+test.path, test.credentials...)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPathsOfAnAgent(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun), Address: "127.0.0.1:0"})
	for path, want := range map[string]int{
		"/health":                     200,
		"/slave(1)/health":            200,
		"/state":                      404,
		"/api/v1":                     404,
		"/api/v1/executor":            405,
		"/slave(1)/api/v1/executor":   405,
		"/slave(2)/api/v1/executor":   404,
		"/slave(1)/api/v1/executor/x": 404,
	} {
		if got := get(t, "http://"+a.Addr()+path); got.Status != want {
			t.Errorf("%s: got %d, want %d", path, got.Status, want)
		}
	}
}
