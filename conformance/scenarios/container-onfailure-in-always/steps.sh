$K apply -f pod.yaml
status p NotReady 60
sleep 2
$K delete pod p --wait=true --timeout=60s
