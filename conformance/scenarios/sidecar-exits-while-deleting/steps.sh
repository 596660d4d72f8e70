$K apply -f pod.yaml
status p Running 60
sleep 1
$K delete pod p --wait=false
sleep 1
$K exec p -c s -- touch /d/stop || true
gone p 60
