$K apply -f pod.yaml
event p Started 60
sleep 2
$K delete pod p --wait=true --timeout=60s
