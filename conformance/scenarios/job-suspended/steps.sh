$K apply -f pod.yaml
sleep 4
$K patch job j --type merge -p '{"spec":{"suspend":true}}'
sleep 4
