$K apply -f pod.yaml
status p Init:CreateContainerConfigError 60
sleep 1
$K create configmap m --from-literal=a=b
status p Running 60
sleep 1
