$K apply -f pod.yaml
sleep 7
