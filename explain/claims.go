package explain

import (
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/podling/podling/lifecycle/reason"
)

// defaultClass marks the StorageClass of claims that name none.
const defaultClass = "storageclass.kubernetes.io/is-default-class"

// claimed is a volume of the pod that is a claim.
type claimed struct {
	volume, claim string
	ephemeral     bool
}

// claimsOf are the claims of the pod's volumes. Those of ephemeral volumes are called POD-VOLUME.
func (l *look) claimsOf() []claimed {
	var out []claimed
	for _, v := range l.Pod.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			out = append(out, claimed{v.Name, v.PersistentVolumeClaim.ClaimName, false})
		case v.Ephemeral != nil:
			out = append(out, claimed{v.Name, l.Pod.Name + "-" + v.Name, true})
		}
	}
	return out
}

func (l *look) claim(name string) *v1.PersistentVolumeClaim {
	for i := range l.Claims {
		if l.Claims[i].Name == name {
			return &l.Claims[i]
		}
	}
	return nil
}

// claimTrouble is a claim that cannot be used.
func claimTrouble(l *look) *finding {
	if !l.sees(PartClaims) {
		return nil
	}
	for _, v := range l.claimsOf() {
		f := l.troubleOf(v)
		if f == nil {
			continue
		}
		f.show("spec", fmt.Sprintf("spec.volumes[?(@.name==%q)]", v.volume), "claim "+v.claim, time.Time{})
		f.about(word{reason.Condition, reasonUnschedulable})
		return f
	}
	return nil
}

func (l *look) troubleOf(v claimed) *finding {
	f := &finding{health: Unhealthy}
	of := fmt.Sprintf("PersistentVolumeClaim %s of volume %s", v.claim, v.volume)
	c := l.claim(v.claim)
	if c == nil {
		if v.ephemeral {
			return nil // a controller is about to make it
		}
		var have []string
		for i := range l.Claims {
			have = append(have, l.Claims[i].Name)
		}
		f.cause, f.root = CauseClaimMissing, fmt.Sprintf("PersistentVolumeClaim %s does not exist in namespace %s%s", v.claim, l.Pod.Namespace, didYouMean(v.claim, have))
		f.link("volume " + v.volume + " needs claim " + v.claim).link(f.root)
		return f.do("make the claim, or correct claimName "+l.where(), l.kubectl("get pvc"))
	}
	show := func() *finding {
		return f.show("PersistentVolumeClaim "+c.Name, "status.phase", string(c.Status.Phase), c.CreationTimestamp.Time)
	}
	switch {
	case c.DeletionTimestamp != nil:
		f.cause, f.root = CauseClaimDeleting, of+" is being deleted, and goes when no pod uses it any more"
		f.link(f.root).do("make the claim anew under another name, and end the pods that use this one", l.kubectl("describe pvc %s", c.Name))
		return show()
	case c.Status.Phase == v1.ClaimLost:
		f.cause, f.root = CauseClaimLost, of+" has lost its volume "+c.Spec.VolumeName+", which does not exist any more"
		f.link(f.root).do("restore the volume, or make claim and data anew", "kubectl get pv")
		return show()
	case c.Status.Phase == v1.ClaimBound:
		return nil
	}
	class := l.classOf(c)
	name := ""
	if c.Spec.StorageClassName != nil {
		name = *c.Spec.StorageClassName
	}
	switch {
	case name != "" && class == nil && l.sees(PartClasses):
		if l.hasVolumeFor(c, name) {
			return nil
		}
		var have []string
		for i := range l.Classes {
			have = append(have, l.Classes[i].Name)
		}
		f.cause, f.root = CauseClassMissing, fmt.Sprintf("%s is Pending, as its StorageClass %s does not exist%s", of, name, didYouMean(name, have))
		f.do("correct storageClassName of the claim (make it anew: it cannot be changed), or make the class", "kubectl get storageclass")
	case class != nil && waitsForConsumer(class):
		return nil // it is bound once the pod has a node
	case class != nil:
		f.cause, f.root = CauseClaimPending, fmt.Sprintf("%s is Pending: the provisioner %s of StorageClass %s has not made a volume", of, class.Provisioner, class.Name)
		f.do("look at the claim's Events and at the provisioner's pods", l.kubectl("describe pvc %s", c.Name))
	case !l.sees(PartClasses):
		f.cause, f.root = CauseClaimPending, of+" is Pending: it has no volume yet"
		f.do("look at the claim's Events", l.kubectl("describe pvc %s", c.Name))
	default:
		f.cause, f.root = CauseClaimPending, of+" is Pending: it names no StorageClass, there is no default one, and no volume fits it"
		f.do("name a StorageClass in the claim, make one the default, or make a PersistentVolume that fits", "kubectl get storageclass,pv")
	}
	f.link("claim " + c.Name + " is not bound").link(f.root)
	return show()
}

func waitsForConsumer(c *storagev1.StorageClass) bool {
	return c.VolumeBindingMode != nil && *c.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// classOf is the claim's StorageClass, the default one if it names none.
func (l *look) classOf(c *v1.PersistentVolumeClaim) *storagev1.StorageClass {
	for i := range l.Classes {
		class := &l.Classes[i]
		if name := c.Spec.StorageClassName; name != nil && class.Name == *name || name == nil && class.Annotations[defaultClass] == "true" {
			return class
		}
	}
	return nil
}

// hasVolumeFor: volumes made by hand can be of a class that is no object.
func (l *look) hasVolumeFor(c *v1.PersistentVolumeClaim, class string) bool {
	return slices.ContainsFunc(l.Volumes, func(pv v1.PersistentVolume) bool {
		want, has := c.Spec.Resources.Requests[v1.ResourceStorage], pv.Spec.Capacity[v1.ResourceStorage]
		return pv.Spec.StorageClassName == class && pv.Status.Phase == v1.VolumeAvailable && has.Cmp(want) >= 0
	})
}
