$K apply -f pod.yaml
status p NotReady 30
$K delete pod p --wait=true --timeout=60s
