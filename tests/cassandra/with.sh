#!/usr/bin/env bash
# with.sh COMMAND...: runs the command with a CQL server of its own, Apache Cassandra, at the address in CONVERSA_CQL; its process id is in
# CONVERSA_CQL_PID. Ports and the data
# folder are chosen at start; the server ends and its data is deleted with the command, whose status is handed on.
# with.sh --fetch: fetches the server, prints the folder of its jars, and starts nothing.
# Needs a JDK (17) and Maven, which fetches the server once into ${XDG_CACHE_HOME:-~/.cache}/conversa-cassandra.
# Without them, or with CONVERSA_CQL set already, the command runs as it is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || { echo "usage: $0 COMMAND..." >&2; exit 2; }
if [ "$1" != --fetch ] && [ -n "${CONVERSA_CQL:-}" ]; then exec "$@"; fi
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
for tool in "$java" mvn python3; do
  command -v "$tool" >/dev/null || {
    [ "$1" != --fetch ] || { echo "with.sh: $tool is missing" >&2; exit 1; }
    echo "with.sh: $tool is missing: running without a CQL server" >&2; exec "$@"; }
done

version=$(sed -n 's#.*<cassandra.version>\(.*\)</cassandra.version>.*#\1#p' "$here/pom.xml")
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/conversa-cassandra/$version
mkdir -p "$cache"
(
  flock 9 # two at once fetch once
  if [ ! -f "$cache/complete" ]; then
    echo "with.sh: fetching Apache Cassandra $version" >&2
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache/lib" >&2
    touch "$cache/complete"
  fi
) 9>"$cache/lock"
if [ "$1" = --fetch ]; then echo "$cache/lib"; exit; fi

data=$(mktemp -d "${TMPDIR:-/tmp}/conversa-cassandra.XXXXXX")
server=
end() {
  if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$data"
}
trap end EXIT
trap 'exit 130' INT TERM

mkdir -p "$data/log" "$data/conf" "$data/tmp"
ip=127.0.0.1
# A port that is free now may be taken at the start: tried again with others.
for attempt in 1 2 3; do
  read -r cql storage jmx < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*[s.getsockname()[1] for s in held])')
  sed -e "s#@IP@#$ip#g; s#@DIR@#$data#g; s#@CQL@#$cql#g; s#@STORAGE@#$storage#g; s#@SEEDS@#$ip:$storage#g; s#@TOKEN@#-9223372036854775808#g" \
    "$here/cassandra.yaml.in" >"$data/conf/cassandra.yaml"
  "$java" "@$here/jvm17.options" "-javaagent:$(ls "$cache"/lib/jamm-*.jar | head -1)" \
    -Djava.io.tmpdir="$data/tmp" -Djna.tmpdir="$data/tmp" \
    -Dcassandra.config="file://$data/conf/cassandra.yaml" -Dcassandra.storagedir="$data" -Dcassandra.logdir="$data/log" \
    -Dlogback.configurationFile="file://$here/logback.xml" \
    -Dcassandra.jmx.local.port="$jmx" -Dcom.sun.management.jmxremote.authenticate=false \
    -cp "$data/conf:$cache/lib/*" org.apache.cassandra.service.CassandraDaemon >"$data/log/out" 2>&1 &
  server=$!
  # A CQL OPTIONS frame: any answer to it means that the server is up.
  if python3 - "$ip" "$cql" "$server" <<'P'
import os, socket, sys, time
ip, port, server = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
until = time.time() + 180
while time.time() < until:
    try:
        os.kill(server, 0)
    except ProcessLookupError:
        sys.exit(1)
    try:
        with socket.create_connection((ip, port), 2) as s:
            s.settimeout(5)
            s.sendall(bytes([4, 0, 0, 0, 5, 0, 0, 0, 0]))
            if len(s.recv(9)) == 9:
                sys.exit(0)
    except OSError:
        pass
    time.sleep(0.2)
sys.exit(1)
P
  then break; fi
  kill -KILL "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
  if [ "$attempt" = 3 ]; then
    echo "with.sh: the CQL server does not start:" >&2
    tail -n 30 "$data/log/out" "$data/log/system.log" >&2 || true
    exit 1
  fi
  rm -rf "$data/data" "$data/commitlog" "$data/hints" "$data/saved_caches"
done

# In the foreground and with the terminal; not exec, so that the server ends with it.
CONVERSA_CQL=$ip:$cql CONVERSA_CQL_PID=$server "$@"
