$K apply -f pod.yaml
status p Running 60
sleep 1
$K debug p --image=busybox:1.36 -c dbg --profile=general  -- sh -c 'sleep 2' || true
sleep 5
$K delete pod p --wait=true --timeout=60s
