$K apply -f pod.yaml
status p ImagePullBackOff 60
sleep 1
evict p
gone p 60
