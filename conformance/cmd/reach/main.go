// Command reach is what the test of pods' network puts into pods, to serve and to ask as programs do
// there: names go to the pod's own resolvers, and the API server has to prove itself to the pod's own
// authority. It is built without C, so that it runs in any image.
//
//	reach serve ADDR TEXT    answers TEXT to HTTP requests
//	reach get URL            prints the answer's status and body
//	reach token URL          does so with the pod's token
//	reach lookup NAME        prints the addresses of a name
//	reach srv NAME           prints what SRV records say
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	account = "/var/run/secrets/kubernetes.io/serviceaccount/"
	// patience is how long an answer may take.
	patience = 5 * time.Second
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reach:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch {
	case len(args) == 3 && args[0] == "serve":
		return http.ListenAndServe(args[1], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, args[2]) // who has gone needs no answer
		}))
	case len(args) == 2 && args[0] == "get":
		return get(ctx, args[1], "")
	case len(args) == 2 && args[0] == "token":
		token, err := os.ReadFile(account + "token")
		if err != nil {
			return err
		}
		return get(ctx, args[1], "Bearer "+string(token))
	case len(args) == 2 && args[0] == "lookup":
		addresses, err := net.DefaultResolver.LookupHost(ctx, args[1])
		if err != nil {
			return err
		}
		slices.Sort(addresses)
		fmt.Println(strings.Join(addresses, " "))
		return nil
	case len(args) == 2 && args[0] == "srv":
		_, records, err := net.DefaultResolver.LookupSRV(ctx, "", "", args[1])
		if err != nil {
			return err
		}
		for _, r := range records {
			fmt.Printf("%s:%d\n", r.Target, r.Port)
		}
		return nil
	}
	return errors.New("serve ADDR TEXT, get URL, token URL, lookup NAME or srv NAME")
}

func get(ctx context.Context, url, authorization string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{}
	if strings.HasPrefix(url, "https:") {
		authority, err := os.ReadFile(account + "ca.crt")
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(authority)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Printf("%d %s\n", answer.StatusCode, body)
	return err
}
