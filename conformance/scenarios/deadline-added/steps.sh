$K apply -f pod.yaml
status p Running 60
sleep 1
$K patch pod p --type strategic -p '{"spec": {"activeDeadlineSeconds": 1}}'
phase p Failed 90
sleep 1
