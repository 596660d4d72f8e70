$K apply -f pod.yaml
event p FailedMount 60
sleep 2
