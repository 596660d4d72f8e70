$K apply -f pod.yaml
status p Running 60
sleep 1
$K delete pod p --wait=false
sleep 2
$K delete pod p --grace-period=2 --wait=true --timeout=60s
