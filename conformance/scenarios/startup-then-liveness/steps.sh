$K apply -f pod.yaml
restarts p 1 60
sleep 1
ready p 60
sleep 1
