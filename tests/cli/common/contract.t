#!/usr/bin/env bash
# What every tool and every sub-command promises, whatever it does: --help, --version, --print-config, --config, usage
# errors, files that are missing, standard descriptors that are closed or full.
. tests/cli/lib.sh

# one_message COMMAND-NAME: stderr is one line that begins with the tool's name.
one_message() {
	one_line "$err" "$1: one line on stderr"
	like "$err" "^${1%% *}: " "$1: the line names the tool"
}

help_and_version() {
	local name="$1" i
	shift
	run_tool "$@" --help
	exit_is 0 "$name --help exits 0"
	like "$out" "^Usage: ${name%% *}" "$name --help begins with the usage"
	like "$out" '--print-config' "$name --help lists the options"
	is "$err" "" "$name --help is silent on stderr"
	is "$(awk 'length > 100' <<< "$out" | wc -l)" 0 "$name --help fits into 100 columns"
	run_tool "$@" --version
	exit_is 0 "$name --version exits 0"
	like "$out" "^${name%% *} \(omni-dpo\) [0-9]+\.[0-9]+" "$name --version names tool and version"
	like "$out" $'\n''.*jansson [0-9]' "$name --version names the libraries"
	for i in --help --version --print-config; do
		run_tool bash -c '"$@" > /dev/full' _ "$@" $i
		exit_is 1 "$name $i on a full disk exits 1"
		like "$err" "^${name%% *}: cannot write '<stdout>': No space left" "$name $i on a full disk says so"
		run_tool bash -c '"$@" >&-' _ "$@" $i
		exit_is 1 "$name $i with stdout closed exits 1"
	done
}

usage_errors() {
	local name="$1"
	shift
	run_tool "$@" --quiett
	exit_is 2 "$name: an unknown option exits 2"
	one_message "$name"
	like "$err" "'--quiett'; did you mean '--quiet'" "$name: it suggests the nearest"
	run_tool "$@" --threads
	exit_is 2 "$name: a missing value exits 2"
	run_tool "$@" --threads 2x
	exit_is 2 "$name: trailing garbage exits 2"
	like "$err" "'--threads': '2x' is not an integer" "$name: it says what is wrong"
	run_tool "$@" --threads=-1
	exit_is 2 "$name: a number out of bounds exits 2"
	run_tool "$@" --quiet=yes
	exit_is 2 "$name: a flag with a value exits 2"
	run_tool "$@" -Z
	exit_is 2 "$name: an unknown letter exits 2"
	is "$out" "" "$name: usage errors leave stdout empty"
}

# What --print-config prints is JSON, and --config takes it back unchanged.
configuration() {
	local name="$1"
	shift
	run_tool "$@" --threads 3 -q --print-config
	exit_is 0 "$name --print-config exits 0"
	cp "$T/out" "$T/config.json"
	is "$(jq -r type "$T/config.json" 2>&1)" object "$name --print-config is one JSON object"
	is "$(jq -c '[.threads, .quiet]' "$T/config.json")" '[3,true]' "$name --print-config shows what was given"
	run_tool "$@" --config "$T/config.json" --print-config
	exit_is 0 "$name --config takes it back"
	ok "$name --config | --print-config is the identity" cmp -s "$T/out" "$T/config.json"
	run_tool "$@" --config "$T/config.json" --threads 4 --print-config
	is "$(jq .threads <<< "$out")" 4 "$name: the command line wins over --config"
	printf '{"thread":1}' > "$T/bad.json"
	run_tool "$@" --config "$T/bad.json"
	exit_is 2 "$name: an unknown name in --config exits 2"
	like "$err" "bad\.json: unknown option 'thread'; did you mean 'threads'" "$name: it names the file and suggests"
	run_tool "$@" --config "$T/missing.json"
	exit_is 1 "$name: a missing --config exits 1"
	like "$err" "missing\.json" "$name: it names the file"
}

# With standard input closed or at its end, a tool fails in words, not by a signal.
closed_descriptors() {
	local name="$1"
	shift
	run_tool bash -c '"$@" <&-' _ "$@"
	ok "$name with stdin closed fails in words ($rc)" test "$rc" -gt 0 -a "$rc" -lt 100
	one_message "$name"
	run_tool bash -c '"$@" < /dev/null' _ "$@"
	ok "$name with an empty stdin fails in words ($rc)" test "$rc" -gt 0 -a "$rc" -lt 100
	run_tool bash -c '"$@" <&- >&- 2>&-' _ "$@"
	ok "$name with everything closed fails ($rc)" test "$rc" -gt 0 -a "$rc" -lt 100
}

# A missing file or directory: one line that names it.
missing_file() {
	local name="$1" missing="$T/no-such-file"
	shift
	case $name in
	'od-ref' | 'od-sample' | 'od-eval pairs' | 'od-inspect tokens') set -- "$@" --model "$missing" ;;
	'od-train') set -- "$@" --model "$missing" --out "$T/never" ;;
	'od-convert') set -- "$@" "$missing" "$T/never" ;;
	'od-eval ifeval' | 'od-eval math') set -- "$@" --data "$missing" ;;
	'od-inspect curve') return ;;            # reads nothing
	'od-inspect scores' | 'od-eval compare' | 'od-eval overlap') set -- "$@" "$missing" "$missing" ;;
	'od-score combine') set -- "$@" --weights x "$missing" ;;
	*) set -- "$@" "$missing" ;;
	esac
	run_tool "$@" < /dev/null
	ok "$name: a missing file gives a non-zero exit ($rc)" test "$rc" -gt 0 -a "$rc" -lt 100
	one_message "$name"
	like "$err" 'no-such-file' "$name: the line names it"
	is "$out" "" "$name: nothing on stdout"
	ok "$name: nothing is left behind" test ! -e "$T/never"
}

contract() {
	help_and_version "$@"
	usage_errors "$@"
	configuration "$@"
	[ "$1" = 'od-inspect curve' ] || closed_descriptors "$@"
	missing_file "$@"
}

for tool in "$BIN"/od-*; do
	[ -x "$tool" ] || continue
	name=${tool##*/}
	commands=$("$tool" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\)  .*/\1/p')
	if [ -z "$commands" ]; then
		contract "$name" "$tool"
		continue
	fi
	if [ "$name" = od-score ]; then          # works without a command too
		contract "$name" "$tool"
	else
		help_and_version "$name" "$tool"
		usage_errors "$name" "$tool"
		run_tool "$tool"
		exit_is 2 "$name without a command exits 2"
		run_tool "$tool" nonsense
		exit_is 2 "$name with an unknown command exits 2"
		like "$err" "^$name: .*'nonsense'" "$name names the unknown command"
	fi
	for c in $commands; do
		contract "$name $c" "$tool" "$c"
	done
done
done_testing
