$K apply -f pod.yaml
ready p 60
sleep 1
$K patch pod p --subresource resize --patch "{\"spec\":{\"initContainers\":[{\"name\":\"car\",\"resources\":{\"requests\":{\"cpu\":\"60m\"},\"limits\":{\"cpu\":\"200m\"}}}]}}"
sleep 5
