$K apply -f pod.yaml
ready p 60
sleep 1
$K patch pod p --subresource resize --patch "{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"150m\"},\"limits\":{\"cpu\":\"300m\"}}}}"
sleep 5
