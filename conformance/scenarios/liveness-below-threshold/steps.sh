$K apply -f pod.yaml
event p Unhealthy 60
sleep 6
