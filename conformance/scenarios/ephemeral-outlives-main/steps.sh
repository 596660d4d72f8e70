$K apply -f pod.yaml
status p Running 60
$K debug p --image=busybox:1.36 -c dbg --profile=general  -- sh -c 'sleep 3600' || true
phase p 'Succeeded|Failed' 60
sleep 1
