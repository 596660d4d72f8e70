$K apply -f pod.yaml
status p Running 60
sleep 1
$K patch pod p --type strategic -p '{"spec": {"initContainers": [{"name": "s", "image": "busybox:latest"}]}}'
restarts p 1 60
sleep 2
