$K apply -f pod.yaml
status p Running 60
$K patch pod p --subresource status --type strategic -p '{"status": {"conditions": [{"type": "example.com/g", "status": "True"}]}}'
ready p 60
$K delete pod p --wait=false
sleep 1
$K patch pod p --subresource status --type strategic -p '{"status": {"conditions": [{"type": "example.com/g", "status": "False"}]}}'
gone p 60
