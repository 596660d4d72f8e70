$K apply -f pod.yaml
ready p 60
sleep 1
$K patch pod p --subresource resize --patch "{\"spec\":{\"containers\":[{\"name\":\"main\",\"resources\":{\"requests\":{\"memory\":\"48Mi\"},\"limits\":{\"memory\":\"96Mi\"}}}]}}"
sleep 4
$K patch pod p --subresource resize --patch "{\"spec\":{\"containers\":[{\"name\":\"main\",\"resources\":{\"requests\":{\"cpu\":\"60m\",\"memory\":\"32Mi\"},\"limits\":{\"cpu\":\"80m\",\"memory\":\"64Mi\"}}}]}}"
sleep 4

