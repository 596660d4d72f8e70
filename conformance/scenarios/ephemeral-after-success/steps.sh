$K apply -f pod.yaml
phase p Succeeded 60
sleep 1
$K debug p --image=busybox:1.36 -c dbg --profile=general -- sh -c 'exit 3' || true
sleep 3
