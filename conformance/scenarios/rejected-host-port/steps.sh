sed -i "s/NODE_NAME/$NODE/" pod.yaml
sed -n '1,/^---$/p' pod.yaml | sed '$d' >a.yaml; sed '1,/^---$/d' pod.yaml >b.yaml
$K apply -f a.yaml
status first Running 60
$K apply -f b.yaml
phase second Failed 60
sleep 1
