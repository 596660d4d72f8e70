package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/podling/podling/trace"
)

// serving is a Server that serves until the test ends.
func serving(t *testing.T, config Config) *Server {
	t.Helper()
	s, err := Listen(0, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask sends a request with the cookie that the token gives, unless change takes it away.
func (s *Server) ask(t *testing.T, method, path, body string, change func(*http.Request)) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.origin()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "podling-" + port, Value: s.token})
	if method == http.MethodPost {
		r.Header.Set("Origin", s.origin())
	}
	if change != nil {
		change(r)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// The token opens the page, becomes a cookie that no other site can use, and leaves the address.
func TestToken(t *testing.T) {
	s := serving(t, Config{})
	if host, _, err := net.SplitHostPort(s.listener.Addr().String()); err != nil || host != "127.0.0.1" {
		t.Fatalf("it listens on %s", s.listener.Addr())
	}
	bare := func(r *http.Request) { r.Header.Del("Cookie") }
	answer, _ := s.ask(t, "GET", strings.TrimPrefix(s.URL(), s.origin()), "", bare)
	cookies := answer.Cookies()
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" || len(cookies) != 1 {
		t.Fatalf("%s, %v", answer.Status, answer.Header)
	}
	c := cookies[0]
	if c.Value != s.token || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Domain != "" || !strings.HasPrefix(c.Name, "podling-") {
		t.Errorf("cookie %v", c)
	}
	answer, text := s.ask(t, "GET", "/", "", func(r *http.Request) { r.Header.Set("Cookie", c.Name+"="+c.Value) })
	if answer.StatusCode != http.StatusOK || !strings.Contains(text, "<title>podling</title>") {
		t.Errorf("%s\n%s", answer.Status, text)
	}
}

// Each request that is not the page's own, or not by who was told the token, is refused.
func TestGuard(t *testing.T) {
	s := serving(t, Config{Explain: func(context.Context, []trace.Event) (any, error) { return "because", nil }})
	_, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	line := `{"time":"2026-01-02T03:04:05Z","event":"ADDED","namespace":"ns","name":"p","status":{}}`
	for _, test := range []struct {
		name, method, path string
		change             func(*http.Request)
		want               int
	}{
		{"the page's own", "GET", "/about", nil, 200},
		{"by the other name", "GET", "/about", host("localhost:" + port), 200},
		{"typed in", "GET", "/", set("Sec-Fetch-Site", "none"), 200},
		{"a script of the page", "GET", "/main.js", set("Sec-Fetch-Site", "same-origin"), 200},
		{"no cookie", "GET", "/about", set("Cookie", ""), 401},
		{"no cookie for the page", "GET", "/", set("Cookie", ""), 401},
		{"no cookie for a file", "GET", "/main.js", set("Cookie", ""), 401},
		{"no cookie for the stream", "GET", "/events", set("Cookie", ""), 401},
		{"another cookie", "GET", "/about", set("Cookie", "podling-"+port+"=x"), 401},
		{"another port's cookie", "GET", "/about", set("Cookie", "podling-1="+s.token), 401},
		{"a wrong token", "GET", "/?token=x", set("Cookie", ""), 401},
		{"an empty token", "GET", "/?token=", set("Cookie", ""), 401},
		{"the token elsewhere", "GET", "/about?token=" + s.token, set("Cookie", ""), 401},
		{"a name that was pointed here", "GET", "/about", host("evil.example:" + port), 421},
		{"a name without the port", "GET", "/about", host("localhost"), 421},
		{"another origin", "GET", "/about", set("Origin", "https://evil.example"), 403},
		{"another port's page", "GET", "/events", set("Origin", "http://127.0.0.1:1"), 403},
		{"a frame's origin", "GET", "/about", set("Origin", "null"), 403},
		{"a link of another site", "GET", "/", set("Sec-Fetch-Site", "cross-site"), 403},
		{"another site's link with the token", "GET", "/?token=" + s.token, set("Sec-Fetch-Site", "cross-site"), 403},
		{"a page of the same host", "GET", "/events", set("Sec-Fetch-Site", "same-site"), 403},
		{"an explanation", "POST", "/explain", nil, 200},
		{"an explanation for another origin", "POST", "/explain", set("Origin", "https://evil.example"), 403},
		{"an explanation for nobody", "POST", "/explain", func(r *http.Request) { r.Header.Del("Origin") }, 403},
		{"a method that there is not", "POST", "/about", nil, 405},
		{"what is not there", "GET", "/nothing", nil, 404},
		{"what is beside the files", "GET", "/../web.go", nil, 404},
	} {
		answer, text := s.ask(t, test.method, test.path, line, test.change)
		if answer.StatusCode != test.want && !(test.want == 404 && answer.StatusCode/100 == 3) {
			t.Errorf("%s: %s, want %d\n%s", test.name, answer.Status, test.want, text)
		}
		if p := answer.Header.Get("Content-Security-Policy"); p != policy || answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", test.name, answer.Header)
		}
		if answer.StatusCode >= 400 && strings.Contains(text, s.token) {
			t.Errorf("%s: the answer tells the token", test.name)
		}
	}
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %s", policy)
	}
}

func event(i int) trace.Event {
	return trace.Event{Time: time.Unix(int64(i), 0), Type: watch.Modified, Pod: &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint("p", i)}}}
}

// read reads lines of a stream until there are n, and returns the names of the pods in them with the
// last id.
func (s *Server) read(t *testing.T, from string, n int) (names []string, id string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.origin()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "podling-" + port, Value: s.token})
	if from != "" {
		r.Header.Set("Last-Event-ID", from)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", answer.Status, answer.Header)
	}
	lines := bufio.NewScanner(answer.Body)
	for len(names) < n && lines.Scan() {
		if line, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			rec, err := trace.ReadRecording(strings.NewReader(line))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, rec.Events[0].Pod.Name)
		}
		if text, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			id = text
		}
	}
	if len(names) < n {
		t.Fatalf("the stream ended after %d of %d: %v", len(names), n, lines.Err())
	}
	return names, id
}

// Who comes gets all there was, and then what comes; who comes back gets what was missed.
func TestEvents(t *testing.T) {
	s := serving(t, Config{Live: true})
	const before = batch + 100
	for i := range before {
		if err := s.Add(event(i)); err != nil {
			t.Fatal(err)
		}
	}
	added := make(chan error, 1)
	go func() {
		var errs []error
		for i := range 10 {
			errs = append(errs, s.Add(event(before+i)))
		}
		added <- errors.Join(errs...)
	}()
	names, _ := s.read(t, "", before+10)
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if name != fmt.Sprint("p", i) {
			t.Fatalf("line %d is of %s", i, name)
		}
	}
	names, id := s.read(t, fmt.Sprint(before+7), 3)
	if names[0] != fmt.Sprint("p", before+7) || id != fmt.Sprint(before+10) {
		t.Errorf("going on gave %q, and id %s", names, id)
	}
	if answer, text := s.ask(t, "GET", "/events", "", func(r *http.Request) { r.Header.Set("Last-Event-ID", "x") }); answer.StatusCode != 400 {
		t.Errorf("%s %s", answer.Status, text)
	}
}

// What is kept does not grow without end: the oldest goes, and numbers stay.
func TestFeedForgets(t *testing.T) {
	f := newFeed(2000)
	for i := range 100 {
		if err := f.add(event(i)); err != nil {
			t.Fatal(err)
		}
	}
	lines, next, _ := f.from(0)
	if f.bytes > 2000 || next != 100 || len(lines) == 100 || len(lines) < 3 || !strings.Contains(string(lines[len(lines)-1]), `"p99"`) {
		t.Errorf("%d lines, %d bytes, next %d", len(lines), f.bytes, next)
	}
	if lines, next, changed := f.from(100); len(lines) != 0 || next != 100 || changed == nil {
		t.Errorf("%d lines more, next %d", len(lines), next)
	}
}

func TestExplain(t *testing.T) {
	line := `{"time":"2026-01-02T03:04:05Z","event":"ADDED","namespace":"ns","name":"p","status":{}}`
	s := serving(t, Config{Explain: func(_ context.Context, events []trace.Event) (any, error) {
		if len(events) > 1 {
			return nil, errors.New("too much")
		}
		return map[string]string{"verdict": events[0].Pod.Name + " is <b>there</b>"}, nil
	}})
	for _, test := range []struct {
		body string
		code int
		want string
	}{
		{line, 200, `{"verdict":"p is \u003cb\u003ethere\u003c/b\u003e"}`},
		{line + "\n" + line, 422, "too much"},
		{"", 400, "not a recording"},
		{line + "\n[]", 400, "line 2"},
	} {
		answer, text := s.ask(t, "POST", "/explain", test.body, nil)
		if answer.StatusCode != test.code || !strings.Contains(text, test.want) {
			t.Errorf("%q: %s %s", test.body, answer.Status, text)
		}
	}
	none := serving(t, Config{Title: "x", Version: "v1"})
	if answer, _ := none.ask(t, "POST", "/explain", line, nil); answer.StatusCode != 404 {
		t.Errorf("without anything that explains: %s", answer.Status)
	}
	if _, text := none.ask(t, "GET", "/about", "", nil); text != `{"explains":false,"live":false,"title":"x","version":"v1"}`+"\n" {
		t.Errorf("about: %s", text)
	}
}

// The page names nothing that is elsewhere, and makes no HTML of text.
func TestPageIsItsOwn(t *testing.T) {
	entries, err := static.ReadDir("static")
	if err != nil || len(entries) < 5 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		text, err := static.ReadFile("static/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "style=\"", " onclick=\"", "javascript:"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %q", e.Name(), bad)
			}
		}
	}
}

func TestListenRefuses(t *testing.T) {
	s := serving(t, Config{})
	_, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var taken int
	if _, err := fmt.Sscan(port, &taken); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(taken, Config{}); err == nil || !strings.Contains(err.Error(), "the page's port") {
		t.Errorf("got %v", err)
	}
}
