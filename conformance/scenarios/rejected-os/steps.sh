sed -i "s/NODE_NAME/$NODE/" pod.yaml
$K apply -f pod.yaml
phase p Failed 60
sleep 2
