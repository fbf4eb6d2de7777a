#!/usr/bin/env bash
# examples/gpu/check.sh -- does this build compute the right thing on this machine's GPU? A table comes last.
#
#   check.sh [--bin DIR] [--tests DIR] [--data DIR] [--device NAME] [--budget S] [--logs DIR] [--jobs N] [--no-sanitizer]
#
#   tests      the test programs of operations and models built for CUDA, every file in --tests
#   memcheck   the same under compute-sanitizer; racecheck: those of the attention and of the other operations, in bf16
#   oracle     tests/oracle/models.py and train.py on the device in fp32: reference log-probs, gradients, AdamW updates
#   device     check.py: device against CPU, fp32 against bf16, rows, repetition, memory
#
# All run at once, --jobs of them, for time on a GPU is dear and each is mostly start-up; none may go on after
# --budget. A sanitizer that has found nothing when its time is up is a skip, not a failure. In a bundle (bundle.sh) the
# defaults fit. Prints TAP, then the table, then `N passed, N failed, N skipped`; exit status 1 when anything failed.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ -d "$here/tests" ] && [ -d "$here/bin" ]; then top=$here; else top=$(cd "$here/../.." && pwd); fi
bin=$top/bin tests=$top/build/cuda/tests/cuda data=${ORACLE:+$ORACLE/oracle} oracle=$top/tests/oracle
[ -d "$top/tests/programs" ] && tests=$top/tests/programs
[ -n "$data" ] || { [ -d "$top/data" ] && data=$top/data; }
device=cuda budget=300 logs='' jobs=6 sanitizer=1 python=${PYTHON:-python3}
while [ $# -gt 0 ]; do
    case $1 in
    --bin) bin=$2 ;; --tests) tests=$2 ;; --data) data=$2 ;; --device) device=$2 ;; --budget) budget=$2 ;;
    --logs) logs=$2 ;; --jobs) jobs=$2 ;; --no-sanitizer) sanitizer=0; shift; continue ;;
    *) sed -n '4p' "$0" >&2; exit 2 ;;
    esac
    [ $# -ge 2 ] || { echo "check.sh: $1 needs a value" >&2; exit 2; }
    shift 2
done
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
logs=${logs:-$work/logs}
mkdir -p "$logs" && logs=$(cd "$logs" && pwd) && bin=$(cd "$bin" && pwd) || exit 2
export BIN=$bin LC_ALL=C.UTF-8 OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1 TMPDIR=$work
unset OD_FRAMED
end=$((SECONDS + budget))

# ---- one job: its output in LOGS/NAME.tap, its status and seconds in LOGS/NAME.end ---------------------------------------
run_job() { # NAME COMMAND...
    local name=$1 left=$((end - SECONDS)) start=$SECONDS
    shift
    if [ "$left" -lt 2 ]; then
        echo "late 0" >"$logs/$name.end"
        : >"$logs/$name.tap"
        return
    fi
    timeout -k 3 "$left" "$@" >"$logs/$name.tap" 2>"$logs/$name.err" </dev/null
    echo "$? $((SECONDS - start))" >"$logs/$name.end"
}

names=()
job() { # NAME COMMAND...
    names+=("$1")
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    run_job "$@" &
}

no_job() { # NAME REASON
    names+=("$1")
    printf 'ok 1 - %s # SKIP %s\n1..1\n' "$1" "$2" >"$logs/$1.tap"
    : >"$logs/$1.err"
    echo "0 0" >"$logs/$1.end"
}

# ---- what there is to do -------------------------------------------------------------------------------------------------
programs=()
[ ! -d "$tests" ] || while IFS= read -r f; do programs+=("$f"); done < <(
    find "$tests" -type f -perm -u+x ! -name '*.*' ! -name 'bench*' | sort)

start_tests() {
    local f
    [ ${#programs[@]} -gt 0 ] || no_job tests "no test programs in $tests"
    for f in ${programs[@]+"${programs[@]}"}; do OD_TEST_LARGE=1 job "tests-$(basename "$f")" "$f"; done
}

start_sanitizer() {
    local f name tool=compute-sanitizer
    command -v $tool >/dev/null || tool=/usr/local/cuda/bin/compute-sanitizer
    if [ $sanitizer = 0 ] || ! command -v $tool >/dev/null || [ ${#programs[@]} = 0 ]; then
        no_job memcheck "no compute-sanitizer, or nothing to run under it"
        return
    fi
    tool="$tool --target-processes all --error-exitcode 9 --print-limit 10 --tool"
    for f in "${programs[@]}"; do
        name=$(basename "$f")
        # shellcheck disable=SC2086
        OD_TEST_QUICK=1 job "memcheck-$name" $tool memcheck "$f"
        # shellcheck disable=SC2086
        case $name in
        test_attention | test_ops) OD_TEST_QUICK=1 OD_TEST_DTYPE=bf16 job "racecheck-$name" $tool racecheck "$f" ;;
        esac
    done
}

start_oracle() {
    if [ -z "$data" ] || ! ls "$data"/models/*/expected.json >/dev/null 2>&1 || [ ! -e "$oracle/models.py" ]; then
        no_job oracle "no reference numbers: --data DIR"
        return
    fi
    ln -s "$(cd "$data" && pwd)" "$work/oracle"
    export ORACLE=$work OD_DEVICE=$device OD_DTYPE=fp32
    job oracle-models "$python" "$oracle/models.py"
    job oracle-train "$python" "$oracle/train.py"
    unset OD_DEVICE OD_DTYPE
}

start_device() {
    local only args=(--bin "$bin" --device "$device" ${data:+--data "$data"})
    for only in training logps memory; do
        # shellcheck disable=SC2086
        job "device-$only" "$python" "$here/check.py" "${args[@]}" --only $only ${CHECK_ARGS:-}
    done
}

# ---- what came out -------------------------------------------------------------------------------------------------------
# Each prints the failures of a job to stderr and "PASSED FAILED SKIPPED NOTE" to stdout.
judge_tap() { # NAME STATUS
    awk -v name="$1" -v status="$2" '
    function bad(s) { failed++; print "not ok - " name ": " s > "/dev/stderr" }
    /^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1 }
    /^(not )?ok/ && /# *SKIP/ { skipped++; note = substr($0, index($0, "SKIP") + 5); next }
    /^not ok/ { bad(substr($0, 8)) }
    /^ok/ { passed++ }
    /^Bail out!/ { bad($0) }
    END {
        seen = passed + skipped + failed
        if (status == "late") { skipped++; note = "no time was left" }
        else if (status == 124 || status == 137) bad("did not end in time")
        else if (status != 0 && !failed) bad("exit status " status)
        else if (!planned && !failed) bad("no plan")
        else if (planned && plan != seen && !failed) bad("planned " plan " points, saw " seen)
        printf "%d %d %d %s\n", passed, failed, skipped, note
    }' "$logs/$1.tap"
}

# One point: what the program itself says was counted when it ran without the sanitizer.
judge_sanitizer() { # NAME STATUS
    awk -v name="$1" -v status="$2" '
    /^=========.*SUMMARY: / { summary = substr($0, index($0, "SUMMARY: ") + 9) }
    /^========= +(Invalid|Uninitialized|Error|Program hit|Race|Barrier|Leaked|Warning: Race)/ { found++ }
    END {
        late = status == "late" || status == 124 || status == 137
        if (found || (summary != "" && summary !~ /^0 /) || (!late && (status != 0 || summary == ""))) {
            why = summary != "" ? summary : found ? found " reports" : "exit status " status
            print "not ok - " name ": " why > "/dev/stderr"
            printf "0 1 0 %s\n", summary
        } else if (late) {
            printf "0 0 1 no time was left%s\n", status == "late" ? "" : "; nothing found so far"
        } else {
            printf "1 0 0 %s\n", summary
        }
    }' "$logs/$1.tap"
}

judge() { # NAME
    local status _
    read -r status _ <"$logs/$1.end"
    case $1 in
    memcheck-* | racecheck-*) judge_sanitizer "$1" "$status" ;;
    *) judge_tap "$1" "$status" ;;
    esac
}

show_failure() { # NAME
    sed 's/^/#   /' "$logs/$1.err" | tail -n 8
    grep -E '^=========' "$logs/$1.tap" | head -n 12 | sed 's/^/#   /'
}

gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1)
echo "# ${gpu:-no GPU that nvidia-smi knows}; device $device; $(nproc) cores"
start_tests
start_device
start_oracle
start_sanitizer
wait
for name in "${names[@]}"; do
    case $name in memcheck-* | racecheck-*) continue ;; esac
    sed "s/^\(not ok\|ok\) \([0-9]*\)/\1 \2 - $name/; /^1\.\./d" "$logs/$name.tap"
done
passed=0 failed=0 skipped=0 table=
for name in "${names[@]}"; do
    read -r p f s note < <(judge "$name" 2>>"$work/failures")
    read -r _ seconds <"$logs/$name.end"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    table+=$(printf '%-26s%7d%7d%8d%6ds  %s' "$name" "$p" "$f" "$s" "$seconds" "$note")$'\n'
    [ "$f" = 0 ] || { echo "# $name:"; show_failure "$name"; }
done
echo
[ ! -s "$work/failures" ] || cat "$work/failures"
printf '%-26s%7s%7s%8s%7s\n' "" passed failed skipped time
printf '%s' "$table"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
