$K apply -f pod.yaml
event p ProbeWarning 60
ready p 60
sleep 1
