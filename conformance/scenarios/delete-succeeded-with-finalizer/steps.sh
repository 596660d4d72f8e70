$K apply -f pod.yaml
phase p Succeeded 60
sleep 1
$K delete pod p --wait=false
sleep 2
$K patch pod p --type merge -p '{"metadata": {"finalizers": null}}'
gone p 60
