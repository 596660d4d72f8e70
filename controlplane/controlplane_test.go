package controlplane

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// start runs a control plane for one test.
func start(t *testing.T, cfg Config) *ControlPlane {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return c
}

func clientFor(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestControlPlane(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Config{DataDir: dir, Ephemeral: true})
	admin := clientFor(t, c.Admin())

	t.Run("secrets are this user's alone", func(t *testing.T) {
		kubeconfig := filepath.Join(dir, "deeper", "kubeconfig")
		if err := c.WriteKubeconfig(kubeconfig); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if entry.Type().IsRegular() && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := clientFor(t, config).CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); err != nil {
			t.Errorf("the kubeconfig does not let in: %v", err)
		}
	})

	t.Run("a node keeps to its own", func(t *testing.T) { nodeKeepsToItsOwn(t, c, admin) })

	t.Run("strangers see health and no more", func(t *testing.T) {
		stranger := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
		}}
		for path, want := range map[string]int{
			"/readyz": http.StatusOK, "/livez": http.StatusOK, "/healthz": http.StatusOK,
			"/version": http.StatusUnauthorized, "/api/v1/namespaces": http.StatusUnauthorized,
		} {
			resp, err := stranger.Get(c.Admin().Host + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
			}
		}
	})

	t.Run("all roles are there from the start", func(t *testing.T) {
		roles, err := admin.RbacV1().ClusterRoles().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := len(bootstrappolicy.ClusterRoles()) + len(bootstrappolicy.ControllerRoles()) + len(joiningClusterRoles())
		if len(roles.Items) != want {
			t.Errorf("%d cluster roles, want %d", len(roles.Items), want)
		}
		if _, err := admin.SchedulingV1().PriorityClasses().Get(t.Context(), "system-node-critical", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	})

	t.Run("a node has its own objects and no others", func(t *testing.T) {
		identity, err := c.NodeIdentity("a", []net.IP{net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		a := clientFor(t, identity.Config)
		nodes := a.CoreV1().Nodes()
		if _, err := nodes.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
			t.Fatalf("its own: %v", err)
		}
		b := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
		if _, err := nodes.Create(t.Context(), b, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("creating another: %v", err)
		}
		if _, err := admin.CoreV1().Nodes().Create(t.Context(), b, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		patch := []byte(`{"status":{"phase":"Running"}}`)
		if _, err := nodes.Patch(t.Context(), "a", types.MergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			t.Errorf("its own status: %v", err)
		}
		if _, err := nodes.Patch(t.Context(), "b", types.MergePatchType, patch, metav1.PatchOptions{}, "status"); !apierrors.IsForbidden(err) {
			t.Errorf("another's status: %v", err)
		}
		if _, err := a.CoreV1().Secrets(metav1.NamespaceSystem).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("all secrets: %v", err)
		}
	})

	t.Run("service accounts can prove who they are, and whom they talk to", func(t *testing.T) {
		eventually(t, "the default service account and the root CA", func() error {
			if _, err := admin.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{}); err != nil {
				return err
			}
			_, err := admin.CoreV1().ConfigMaps("default").Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
			return err
		})
		token, err := admin.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "default", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		review, err := admin.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{
			Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token, Audiences: []string{tokenIssuer}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := review.Status.User.Username; got != "system:serviceaccount:default:default" {
			t.Errorf("the token is for %q: %s", got, review.Status.Error)
		}
	})

	// StorageObjectInUseProtection gives these a finalizer, which a controller takes away.
	t.Run("what nobody uses can be deleted", func(t *testing.T) {
		classes, volumes := admin.StorageV1().VolumeAttributesClasses(), admin.CoreV1().PersistentVolumes()
		class := &storagev1.VolumeAttributesClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, DriverName: "csi.example.com", Parameters: map[string]string{"iops": "9"}}
		volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "disk"}, Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/nowhere"}},
		}}
		madeClass, err := classes.Create(t.Context(), class, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		madeVolume, err := volumes.Create(t.Context(), volume, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(madeClass.Finalizers) == 0 || len(madeVolume.Finalizers) == 0 {
			t.Errorf("nothing holds them: %v, %v", madeClass.Finalizers, madeVolume.Finalizers)
		}
		if err := errors.Join(classes.Delete(t.Context(), "fast", metav1.DeleteOptions{}), volumes.Delete(t.Context(), "disk", metav1.DeleteOptions{})); err != nil {
			t.Fatal(err)
		}
		eventually(t, "they are gone", func() error {
			_, noClass := classes.Get(t.Context(), "fast", metav1.GetOptions{})
			_, noVolume := volumes.Get(t.Context(), "disk", metav1.GetOptions{})
			if !apierrors.IsNotFound(noClass) || !apierrors.IsNotFound(noVolume) {
				return fmt.Errorf("class: %v, volume: %v", noClass, noVolume)
			}
			return nil
		})
	})

	t.Run("no private key is published", func(t *testing.T) {
		maps, err := admin.CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(maps.Items) == 0 {
			t.Error("nothing is published")
		}
		for _, m := range maps.Items {
			if strings.Contains(fmt.Sprint(m.Data), "PRIVATE KEY") {
				t.Errorf("%s/%s has a private key", m.Namespace, m.Name)
			}
		}
	})
}

func TestRestartGoesOn(t *testing.T) {
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	first := start(t, Config{DataDir: dir})
	if err := first.WriteKubeconfig(kubeconfig); err != nil {
		t.Fatal(err)
	}
	want := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}, Data: map[string]string{"a": "b"}}
	if _, err := clientFor(t, first.Admin()).CoreV1().ConfigMaps("default").Create(t.Context(), want, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := clientFor(t, config).CoreV1().ConfigMaps("default").Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	began := time.Now()
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to stop, with somebody watching", took)
	}
	select {
	case <-first.Done():
		t.Errorf("a stop is not a failure: %v", first.Err())
	default:
	}

	start(t, Config{DataDir: dir})
	got, err := clientFor(t, config).CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Data["a"] != "b" {
		t.Errorf("it kept %v", got.Data)
	}
}

func TestSchemasOnDemand(t *testing.T) {
	c := start(t, Config{DataDir: t.TempDir(), Ephemeral: true})
	transport, err := rest.TransportFor(c.Admin())
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) (*http.Response, string) {
		t.Helper()
		resp, err := (&http.Client{Transport: transport}).Get(c.Admin().Host + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(body)
	}
	_, index := get(openAPIV3)
	for _, gv := range []string{"api/v1", "apis/apps/v1", "apis/apiregistration.k8s.io/v1", "apis/apiextensions.k8s.io/v1"} {
		if !strings.Contains(index, `"`+gv+`"`) {
			t.Errorf("the index lacks %s", gv)
		}
	}
	resp, schema := get(schemaURL("apis/apps/v1"))
	if resp.Header.Get("Cache-Control") != "public, immutable" || !strings.Contains(schema, "io.k8s.api.apps.v1.Deployment") {
		t.Errorf("apps/v1: %v, %d bytes", resp.Header, len(schema))
	}
	if resp, _ := get(openAPIV3 + "/api/v1?hash=OLD"); resp.Request.URL.Query().Get("hash") != schemaHash() {
		t.Errorf("an old hash leads to %v", resp.Request.URL)
	}
	if resp, _ := get(openAPIV3 + "/apis/nobody.io/v1"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown group version: %d", resp.StatusCode)
	}
	if _, all := get(openAPIV2); !strings.Contains(all, "io.k8s.api.core.v1.Pod") {
		t.Errorf("version 2 lacks Pod, in %d bytes", len(all))
	}
}

// eventually waits for what the controllers do in their own time.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}
