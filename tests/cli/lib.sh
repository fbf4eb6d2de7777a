# shellcheck shell=bash disable=SC2034
# lib.sh -- TAP helpers for shell tests. Source it from a test that runs in the repository root:
#
#     . tests/cli/lib.sh
#     run_tool "$BIN/od-ref" --help       # fills $out $err (texts) and $rc; the files are $T/out and $T/err
#     exit_is 0 "--help exits 0"
#     like "$out" 'Usage:' "it says how to use it"
#     done_testing
#
# $T is a directory of the test's own, removed when it ends. BIN names the directory of the tools (default bin).

BIN=${BIN:-bin}
T=$(mktemp -d "${TMPDIR:-/tmp}/od-test.XXXXXX") || exit 1
trap 'rm -rf "$T"' EXIT
trap 'exit 130' INT TERM
unset OD_FRAMED
tap_n=0 tap_failed=0

# tap_result STATUS NAME [DETAIL...]: prints one result; the details are comments shown when it failed.
tap_result() {
	local status=$1 name=$2
	shift 2
	tap_n=$((tap_n + 1))
	if [ "$status" -eq 0 ]; then
		printf 'ok %d - %s\n' "$tap_n" "$name"
		return 0
	fi
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_n" "$name"
	printf '%s\n' "$@" | head -c 2000 | sed 's/^/# /' >&2
	return 1
}

# ok NAME COMMAND...: the command succeeds.
ok() {
	local name=$1 status=0
	shift
	"$@" || status=1
	tap_result $status "$name" "failed: $*"
}

# is GOT WANTED NAME
is() {
	local status=1
	[ "$1" = "$2" ] && status=0
	tap_result $status "$3" "got:    $1" "wanted: $2"
}

# like TEXT REGEX NAME (extended regular expression over the whole text)
like() {
	local status=1
	[[ $1 =~ $2 ]] && status=0
	tap_result $status "$3" "text:  $1" "regex: $2"
}

# unlike TEXT REGEX NAME
unlike() {
	local status=0
	[[ $1 =~ $2 ]] && status=1
	tap_result $status "$3" "text:  $1" "must not match: $2"
}

# run_tool COMMAND...: runs it with the test's stdin; texts in $out and $err, exit code in $rc.
run_tool() {
	rc=0
	"$@" > "$T/out" 2> "$T/err" || rc=$?
	out=$(tr -d '\0' < "$T/out")
	err=$(tr -d '\0' < "$T/err")
}

# exit_is CODE NAME: the exit code of the last run_tool.
exit_is() {
	local status=1
	[ "$rc" -eq "$1" ] && status=0
	tap_result $status "$2" "exit code $rc, wanted $1" "stderr: $err"
}

# one_line TEXT NAME: exactly one line.
one_line() {
	is "$(printf '%s\n' "$1" | grep -c .)" 1 "$2"
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

# skip N REASON: counts N results as left out.
skip() {
	local i
	for ((i = 0; i < $1; i++)); do
		tap_n=$((tap_n + 1))
		printf 'ok %d # SKIP %s\n' "$tap_n" "$2"
	done
}

done_testing() {
	printf '1..%d\n' "$tap_n"
	[ "$tap_failed" -eq 0 ]
	exit
}
