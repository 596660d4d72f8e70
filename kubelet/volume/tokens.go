package volume

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podling/podling/kubelet/reference"
)

// maxTokenAge is when a token is renewed however long it lives (upstream: maxTTL
// in pkg/kubelet/token).
const maxTokenAge = 24 * time.Hour

// tokens keeps the service account tokens of pods until it is time for new ones.
type tokens struct {
	mu   sync.Mutex
	kept map[tokenKey]*authenticationv1.TokenRequest
}

type tokenKey struct {
	pod                               types.UID
	namespace, serviceAccount, wanted string
}

func newTokens() *tokens { return &tokens{kept: map[tokenKey]*authenticationv1.TokenRequest{}} }

// get gives a token as asked for. If a new one cannot be had, the old one does
// as long as it lives.
func (t *tokens) get(ctx context.Context, reader *reference.Reader, namespace, serviceAccount string, want *authenticationv1.TokenRequest) (*authenticationv1.TokenRequest, error) {
	var seconds int64
	if s := want.Spec.ExpirationSeconds; s != nil {
		seconds = *s
	}
	key := tokenKey{
		pod: want.Spec.BoundObjectRef.UID, namespace: namespace, serviceAccount: serviceAccount,
		wanted: fmt.Sprintf("%s for %d s", strings.Join(want.Spec.Audiences, ","), seconds),
	}
	t.mu.Lock()
	old := t.kept[key]
	t.mu.Unlock()
	if old != nil && time.Now().Before(renewal(old)) {
		return old, nil
	}
	fresh, err := reader.Token(ctx, namespace, serviceAccount, want)
	switch {
	case err == nil:
		t.mu.Lock()
		t.kept[key] = fresh
		t.mu.Unlock()
		return fresh, nil
	case old == nil:
		return nil, fmt.Errorf("failed to fetch token: %w", err)
	case time.Now().After(old.Status.ExpirationTimestamp.Time):
		return nil, fmt.Errorf("token of service account %s/%s for %s expired and refresh failed: %w", namespace, serviceAccount, key.wanted, err)
	}
	return old, nil
}

// renewal is when 80 % of the token's life are over, or a day is.
func renewal(t *authenticationv1.TokenRequest) time.Time {
	end := t.Status.ExpirationTimestamp.Time
	life := time.Duration(*t.Spec.ExpirationSeconds) * time.Second
	return end.Add(-life + min(life*8/10, maxTokenAge))
}

// forget drops the tokens of a pod.
func (t *tokens) forget(pod types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.kept {
		if key.pod == pod {
			delete(t.kept, key)
		}
	}
}
