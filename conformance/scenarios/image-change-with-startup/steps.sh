$K apply -f pod.yaml
ready p 60
sleep 1
$K patch pod p --type strategic -p '{"spec": {"containers": [{"name": "main", "image": "busybox:latest"}]}}'
restarts p 1 60
ready p 60
sleep 3
