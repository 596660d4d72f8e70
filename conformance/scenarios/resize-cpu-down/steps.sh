$K apply -f pod.yaml
status p Running 60
sleep 1
$K patch pod p --subresource resize --type strategic -p '{"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "20m", "memory": "16Mi"}, "limits": {"cpu": "50m", "memory": "64Mi"}}}]}}'
event p ResizeCompleted 30
sleep 3
