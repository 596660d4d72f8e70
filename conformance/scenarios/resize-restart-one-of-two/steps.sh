$K apply -f pod.yaml
status p Running 60
sleep 1
$K patch pod p --subresource resize --type strategic -p '{"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": "60m", "memory": "16Mi"}, "limits": {"cpu": "120m", "memory": "64Mi"}}}]}}'
restarts p 1 60
sleep 3
