$K apply -f pod.yaml
ready p 60
sleep 2
evict p && exit 3
sleep 1
$K delete pdb b
sleep 1
evict p
gone p 60
