#!/usr/bin/env bash
# Starts a node of its own (run.sh PATH-TO-CONVERSA) in a fresh folder on a free port and runs the browser test against it.
set -euo pipefail
binary="$(realpath "${1:?usage: run.sh path/to/conversa}")"
cd "$(dirname "$0")/.."
folder="$(mktemp -d)"
log="$folder/node.log"
node_pid=""
stop() {
  status=$?
  if [ -n "$node_pid" ]; then kill "$node_pid" 2>/dev/null || true; wait "$node_pid" 2>/dev/null || true; fi
  if [ "$status" -ne 0 ]; then echo "--- the node said:"; tail -n 60 "$log" || true; fi
  rm -rf "$folder"
}
trap stop EXIT
"$binary" run --data "$folder/data" --listen 127.0.0.1:0 >"$log" 2>&1 &
node_pid=$!
for _ in $(seq 300); do
  url="$(sed -n 's/^listening on \(http[^ ]*\).*/\1/p' "$log" | head -n 1)"
  if [ -n "$url" ]; then break; fi
  if ! kill -0 "$node_pid" 2>/dev/null; then echo "the node did not start"; exit 1; fi
  sleep 0.1
done
: "${url:?the node did not say where it listens}"
CONVERSA_URL="$url" npm run --silent e2e
