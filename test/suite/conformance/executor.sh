command -v bash >/dev/null 2>&1 || exit 41
exec bash -s <<'EXECUTOR'
# An executor in bash for one task with the same ID. It sends
# TASK_RUNNING with the LAUNCH event as message, and TASK_KILLED with the KILL event.
LC_ALL=C # lengths are bytes
case "$LIBPROCESS_SSL_ENABLED$SSL_ENABLED" in *1*|*t*) exit 43;; esac
host=${MESOS_AGENT_ENDPOINT%:*} port=${MESOS_AGENT_ENDPOINT##*:}
host=${host#[}; host=${host%]}
ids='"framework_id":{"value":"'$MESOS_FRAMEWORK_ID'"},"executor_id":{"value":"'$MESOS_EXECUTOR_ID'"}'

# post BODY CONNECTION writes a request to stdout.
post() {
  printf 'POST /api/v1/executor HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n' "$MESOS_AGENT_ENDPOINT" "$2"
  [ -z "$MESOS_EXECUTOR_AUTHENTICATION_TOKEN" ] || printf 'Authorization: Bearer %s\r\n' "$MESOS_EXECUTOR_AUTHENTICATION_TOKEN"
  printf 'Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: %d\r\n\r\n%s' "${#1}" "$1"
}

# new_uuid writes a UUID as base64. It must be of a known version: agents refuse 16 random
# bytes in two of three cases.
new_uuid() {
  local text escaped= i
  read -r text </proc/sys/kernel/random/uuid || return 1
  text=${text//-/}
  for ((i = 0; i < 32; i += 2)); do escaped+="\\x${text:i:2}"; done
  printf "$escaped" | base64
}

# update STATE TEXT sends an update. Quotes in the text are replaced.
update() {
  local uuid text=${2//[\"\\]/\'}
  uuid=$(new_uuid) || exit 44
  text=${text//$'\r'/}
  exec 4<>"/dev/tcp/$host/$port" || exit 45
  post '{"type":"UPDATE",'"$ids"',"update":{"status":{"task_id":{"value":"'"$MESOS_EXECUTOR_ID"'"},"executor_id":{"value":"'"$MESOS_EXECUTOR_ID"'"},"state":"'"$1"'","source":"SOURCE_EXECUTOR","timestamp":'"$(date +%s)"',"uuid":"'"$uuid"'","message":"'"$text"'"}}}' close >&4
  read -r -t 20 _ code _ <&4
  exec 4>&-
  [ "$code" = 202 ] || exit 46
}

{ exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null || exit 42
post '{"type":"SUBSCRIBE",'"$ids"',"subscribe":{}}' keep-alive >&3
read -r -t 20 _ code _ <&3
[ "$code" = 200 ] || exit 47
killed=
while read -r -t 600 line <&3; do
  case "$line" in
    *'"type":"LAUNCH"'*) update TASK_RUNNING "$line";;
    *'"type":"KILL"'*) killed=1; update TASK_KILLED "$line";;
    *'"type":"ACKNOWLEDGED"'*) [ -z "$killed" ] || exit 0;;
    *'"type":"SHUTDOWN"'*) exit 0;;
  esac
done
exit 48
EXECUTOR
