package inprocess

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// client reaches handler as somebody called "me".
func client(handler http.HandlerFunc) *http.Client {
	return &http.Client{Transport: New(handler, &x509.Certificate{Subject: pkix.Name{CommonName: "me"}})}
}

// Test: a handler sees a request as from a connection, and the client its answer.
func TestAnswer(t *testing.T) {
	c := client(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "nobody sees it")
		fmt.Fprintf(w, "%s %s %s %s as %s: %s", r.Proto, r.Method, r.Host, r.RequestURI, r.TLS.PeerCertificates[0].Subject.CommonName, body)
	})
	response, err := c.Post("https://server:1/path?q=1", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(body), "HTTP/2.0 POST server:1 /path?q=1 as me: hello"; got != want {
		t.Errorf("answered %q, want %q", got, want)
	}
	if response.StatusCode != http.StatusTeapot || response.Header.Get("X-Answer") != "yes" || response.Header.Get("X-Late") != "" {
		t.Errorf("answer is %s with %v", response.Status, response.Header)
	}
}

// TestNothingSaid: an answer without a word is 200, as net/http has it.
func TestNothingSaid(t *testing.T) {
	response, err := client(func(http.ResponseWriter, *http.Request) {}).Get("https://server/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || len(body) != 0 {
		t.Errorf("answer is %s, %q, %v", response.Status, body, err)
	}
}

// TestWatch: what is flushed is read while the handler goes on, and a client that closes
// its answer ends the handler.
func TestWatch(t *testing.T) {
	more, ended := make(chan string), make(chan error, 1)
	c := client(func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case line := <-more:
				fmt.Fprintln(w, line)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				_, err := io.WriteString(w, "too late")
				ended <- err
				return
			}
		}
	})
	go func() { more <- "one" }() // an answer begins with its first line
	response, err := c.Get("https://server/watch")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(response.Body)
	for _, want := range []string{"one", "two", "three"} {
		if want != "one" {
			more <- want
		}
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("read %q, %v; want %q", lines.Text(), lines.Err(), want)
		}
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a handler whose client has left could write: %v", err)
	}
}

// TestGivenUp: a request ends with its context although the handler does not.
func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	c := client(func(http.ResponseWriter, *http.Request) { close(begun); <-release })
	go func() { <-begun; cancel() }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://server/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that was given up: %v, want %v", err, context.Canceled)
	}
}

// TestPanic: upstream's handlers end a connection by a panic (http.ErrAbortHandler).
func TestPanic(t *testing.T) {
	c := client(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := c.Get("https://server/"); err == nil || !strings.Contains(err.Error(), "GET /: "+http.ErrAbortHandler.Error()) {
		t.Errorf("a request whose handler panics: %v", err)
	}
	c = client(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	response, err := c.Get("https://server/")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); string(body) != "half" || err == nil {
		t.Errorf("read %q, %v; want half of it and an error", body, err)
	}
}

// TestLong: a long answer waits for its reader and arrives whole.
func TestLong(t *testing.T) {
	line := bytes.Repeat([]byte("x"), 100_000)
	const lines = 50
	c := client(func(w http.ResponseWriter, _ *http.Request) {
		for range lines {
			if _, err := w.Write(line); err != nil {
				t.Error(err)
			}
		}
	})
	response, err := c.Get("https://server/")
	if err != nil {
		t.Fatal(err)
	}
	a := response.Body.(*answer)
	a.mu.Lock()
	held := a.data.Len()
	a.mu.Unlock()
	if held > answerLimit+len(line) {
		t.Errorf("%d bytes are held before anything is read", held)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil || len(body) != lines*len(line) {
		t.Errorf("read %d bytes, %v; want %d", len(body), err, lines*len(line))
	}
}
