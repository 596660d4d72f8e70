$K apply -f pod.yaml
status p Running 60
sleep 1
$K debug p --image=busybox:1.36 -c dbg --profile=general -- /no/such || true
sleep 4
