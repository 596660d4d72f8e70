$K apply -f pod.yaml
status p CreateContainerConfigError 60
sleep 2
