$K apply -f pod.yaml
phase p Succeeded 60
$K label pod p a=b
sleep 1
$K delete pod p --wait=false
sleep 1
$K label pod p c=d
sleep 1
$K patch pod p --type merge -p '{"metadata": {"finalizers": null}}'
gone p 60
