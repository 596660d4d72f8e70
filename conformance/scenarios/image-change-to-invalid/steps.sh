$K apply -f pod.yaml
status p Running 60
sleep 1
$K patch pod p --type strategic -p '{"spec": {"containers": [{"name": "main", "image": "Busybox:NO_//x"}]}}'
status p InvalidImageName 60
sleep 1
$K patch pod p --type strategic -p '{"spec": {"containers": [{"name": "main", "image": "busybox:latest"}]}}'
status p Running 90
sleep 1
