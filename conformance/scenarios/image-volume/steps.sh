$K apply -f pod.yaml
status p Running 60
sleep 1
$K delete pod p --wait=false
gone p 60
