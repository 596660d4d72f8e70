# What a scenario's steps.sh may call. The files below $W are kept up to date by
# the recorder's watches, so that waiting asks nothing of the API server; waiting
# starts no processes either, so that scenarios side by side leave the processor
# to the cluster.
#   $K     kubectl, set to the cluster and the scenario's namespace
#   $NS    that namespace      $NODE  the node      $W  POD.status, POD.phase, ...

exec {pause}<> <(:) # nothing is ever written here: a read with a timeout is a sleep

within() { # within SECONDS CHECK...: the check, ten times a second until it holds
  local deadline=$((SECONDS + $1))
  shift
  while ! "$@"; do
    if ((SECONDS >= deadline)); then
      echo "timed out: $*" >&2
      exit 9
    fi
    read -rt 0.1 -u "$pause" || true
  done
}

shows() { # shows FILE REGEX: a whole line of the file matches
  local line
  [[ -e $1 ]] || return 1
  while IFS= read -r line; do
    [[ $line =~ ^($2)$ ]] && return 0
  done <"$1"
  return 1
}

counts() { # counts FILE N: the number in the file is N or more
  local n=0
  [[ -e $1 ]] && read -r n <"$1"
  ((n >= $2))
}

missing() { [[ ! -e $1 ]]; }

status() { within "$3" shows "$W/$1.status" "$2"; }      # status POD REGEX SECONDS: kubectl's STATUS column
seen() { within "$3" shows "$W/$1.seen" "$2"; }          # seen POD REGEX SECONDS: STATUS, now or before
phase() { within "$3" shows "$W/$1.phase" "$2"; }        # phase POD REGEX SECONDS
restarts() { within "$3" counts "$W/$1.restarts" "$2"; } # restarts POD N SECONDS: of all its containers
ready() { within "$2" shows "$W/$1.ready" True; }        # ready POD SECONDS: the Ready condition
event() { within "$3" shows "$W/$1.events" "$2"; }       # event POD REASON SECONDS
gone() { within "$2" missing "$W/$1.phase"; }            # gone POD SECONDS

evict() { # evict POD: through the eviction API, with a grace of one second
  $K create --raw "/api/v1/namespaces/$NS/pods/$1/eviction" -f - <<JSON
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "$1"}, "deleteOptions": {"gracePeriodSeconds": 1}}
JSON
}

push() { # push NAME:TAG: the runner gives the busybox image that name in the registry
  local answer
  echo "$1" >&3
  read -r answer <&4
  [[ $answer == pushed ]] || { echo "push $1: $answer" >&2; exit 9; }
}
