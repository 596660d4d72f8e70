$K apply -f pod.yaml
restarts p 1 30
sleep 1
