package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	bootstraputil "k8s.io/cluster-bootstrap/token/util"
	"k8s.io/cluster-bootstrap/util/secrets"
)

// Token is a bootstrap token that a cluster keeps, whoever made it.
type Token struct {
	Token       string     `json:"token"` // ID.SECRET
	Expires     *time.Time `json:"expires,omitempty"`
	Usages      []string   `json:"usages"` // authentication, signing
	Description string     `json:"description,omitempty"`
	Groups      []string   `json:"groups"` // that who shows it is in
}

// ID is the part of the token that is no secret.
func (t Token) ID() string {
	id, _, _ := strings.Cut(t.Token, ".")
	return id
}

// Tokens are the cluster's bootstrap tokens by their IDs, those that have expired and are not
// collected yet among them. The error names Secrets that are none; the others are given all the same.
func Tokens(ctx context.Context, client kubernetes.Interface) ([]Token, error) {
	list, err := client.CoreV1().Secrets(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("type", string(bootstrapapi.SecretTypeBootstrapToken)).String()})
	if err != nil {
		return nil, fmt.Errorf("the cluster's bootstrap tokens: %w", err)
	}
	out := []Token{}
	var errs []error
	for i := range list.Items {
		token, err := tokenOf(&list.Items[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("the Secret kube-system/%s is no bootstrap token: %w", list.Items[i].Name, err))
			continue
		}
		out = append(out, token)
	}
	slices.SortFunc(out, func(a, b Token) int { return cmp.Compare(a.Token, b.Token) })
	return out, errors.Join(errs...)
}

// tokenOf reads a token (kubeadm's BootstrapTokenFromSecret in cmd/kubeadm/app/apis/bootstraptoken).
func tokenOf(secret *corev1.Secret) (Token, error) {
	data := func(key string) string { return secrets.GetData(secret, key) }
	id := data(bootstrapapi.BootstrapTokenIDKey)
	token := Token{
		Token:       bootstraputil.TokenFromIDAndSecret(id, data(bootstrapapi.BootstrapTokenSecretKey)),
		Description: data(bootstrapapi.BootstrapTokenDescriptionKey), Usages: []string{}, Groups: []string{},
	}
	switch {
	case secret.Name != bootstraputil.BootstrapTokenSecretName(id):
		return token, fmt.Errorf("%s is %q, which is not what the Secret's name says", bootstrapapi.BootstrapTokenIDKey, id)
	case !bootstraputil.IsValidBootstrapToken(token.Token):
		return token, fmt.Errorf("%s has to be 16 small letters and digits", bootstrapapi.BootstrapTokenSecretKey)
	}
	if text := data(bootstrapapi.BootstrapTokenExpirationKey); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return token, fmt.Errorf("%s: %w", bootstrapapi.BootstrapTokenExpirationKey, err)
		}
		token.Expires = &at
	}
	for _, usage := range bootstrapapi.KnownTokenUsages {
		if data(bootstrapapi.BootstrapTokenUsagePrefix+usage) == "true" {
			token.Usages = append(token.Usages, usage)
		}
	}
	slices.Sort(token.Usages)
	if groups := data(bootstrapapi.BootstrapTokenExtraGroupsKey); groups != "" {
		token.Groups = strings.Split(groups, ",")
	}
	return token, nil
}

// TokenID is the ID of a token, of which the ID alone may be given. The error does not repeat what
// was given: it may be a secret that is misspelled.
func TokenID(token string) (string, error) {
	id, _, whole := strings.Cut(token, ".")
	if whole && !bootstraputil.IsValidBootstrapToken(token) || !bootstraputil.IsValidBootstrapTokenID(id) {
		return "", errors.New("a bootstrap token is ID.SECRET, 6 and 16 small letters and digits; its ID alone will do")
	}
	return id, nil
}

// Withdraw deletes a bootstrap token by its ID: nodes that joined by it stay, and no other joins.
func Withdraw(ctx context.Context, client kubernetes.Interface, id string) error {
	err := client.CoreV1().Secrets(metav1.NamespaceSystem).Delete(ctx, bootstraputil.BootstrapTokenSecretName(id), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("the cluster has no bootstrap token %s", id)
	}
	if err != nil {
		return fmt.Errorf("delete bootstrap token %s: %w", id, err)
	}
	return nil
}
