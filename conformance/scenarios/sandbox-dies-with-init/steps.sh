$K apply -f pod.yaml
event p SandboxChanged 60
restarts p 2 60
sleep 2
