#!/bin/sh
# Watch a virtual phone pair with the speaker on a virtual Raspberry Pi, play music and take a call
# there, and hear it all, on a bare x86-64 Debian (12 or newer) or Ubuntu (22.04 or newer), with root
# or sudo and no Bluetooth:
#
#     ./demo.sh
#
# The first run installs and builds what is missing (half an hour, 6 GB in ~/.cache/dotd-lab).
# Leaves demo.wav, what the loudspeaker got, and demo.png, a picture of it.
set -eu
cd "$(dirname "$0")"
if ! command -v python3 >/dev/null; then
    as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
    $as_root apt-get update -q
    $as_root apt-get install -q -y --no-install-recommends python3
fi
exec tests/lab/lab demo "$@"
