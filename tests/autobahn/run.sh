#!/usr/bin/env bash
# Plays Autobahn's suite for WebSockets (RFC 6455), cases 1 to 7, 9 and 10, against a node's WebSocket that sends back what it gets.
# Needs Python 3 and fetches the suite, which was written for Python 2 and is converted first. Plays in less than a minute.
#   tests/autobahn/run.sh [CASES]        such as '1.*,6.4.*'
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
target="${CARGO_TARGET_DIR:-$here/../../target}"
folder="$target/autobahn"
mkdir -p "$folder"
if [ ! -d "$folder/cases" ]; then
  python3 -m venv "$folder/python"
  "$folder/python/bin/pip" install --quiet --disable-pip-version-check 'autobahn[twisted]==26.10.2' 'fissix==24.4.24'
  "$folder/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$folder" autobahntestsuite==25.10.1
  "$folder/python/bin/python" "$here/convert.py" "$folder"
fi
cargo build --quiet --locked --manifest-path "$here/../../Cargo.toml" --package conversa-tests --bin echo
rm -f "$folder/address"
"$target/debug/echo" > "$folder/address" &
echo=$!
trap 'kill $echo' EXIT
until [ -s "$folder/address" ]; do
  kill -0 $echo || { echo "the server that is to be tested has ended" >&2; exit 1; }
  sleep 0.1
done
"$folder/python/bin/python" "$here/play.py" "$folder" "$(cat "$folder/address")" "${1:-1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*}"
