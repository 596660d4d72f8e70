$K apply -f pod.yaml
ready w-1 60
sleep 1
$K scale statefulset w --replicas=1
gone w-1 60
sleep 1
