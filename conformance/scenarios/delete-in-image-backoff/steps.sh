$K apply -f pod.yaml
status p ImagePullBackOff 60
sleep 1
$K delete pod p --wait=true --timeout=60s
