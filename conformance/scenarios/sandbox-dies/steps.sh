$K apply -f pod.yaml
event p SandboxChanged 60
restarts p 1 60
sleep 2
