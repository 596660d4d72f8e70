$K apply -f pod.yaml
status p Running 60
sleep 1
$K debug p --image=busybox:1.36 -c dbg --profile=general --target=main -- sh -c 'sleep 3600' || true
sleep 3
$K delete pod p --wait=true --timeout=60s
