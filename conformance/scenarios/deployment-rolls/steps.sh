$K apply -f pod.yaml
$K rollout status deployment d --timeout=60s
sleep 1
$K set image deployment d main=busybox:latest
$K rollout status deployment d --timeout=60s
sleep 4
