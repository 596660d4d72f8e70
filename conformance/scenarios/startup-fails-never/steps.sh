$K apply -f pod.yaml
phase p 'Succeeded|Failed' 60
sleep 1
