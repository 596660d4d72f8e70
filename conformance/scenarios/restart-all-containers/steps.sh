$K apply -f pod.yaml
restarts p 1 60
sleep 4
