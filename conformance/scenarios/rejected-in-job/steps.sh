sed -i "s/NODE_NAME/$NODE/" pod.yaml
$K apply -f pod.yaml
sleep 6
