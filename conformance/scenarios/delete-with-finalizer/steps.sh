$K apply -f pod.yaml
status p Running 60
sleep 1
$K delete pod p --wait=false
sleep 4
$K patch pod p --type merge -p '{"metadata": {"finalizers": null}}'
gone p 60
