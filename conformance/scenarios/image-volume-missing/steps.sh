$K apply -f pod.yaml
status p ImagePullBackOff 60
sleep 2
