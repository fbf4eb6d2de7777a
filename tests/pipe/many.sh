# many.sh -- memory does not grow with the number of records. Sourced after tests/cli/lib.sh; MANY is how many there are.
. tests/cli/od-train/fixture.sh

# weigh OUTPUT COMMAND...: runs it; in $kib its highest resident memory without what files are mapped to (the spool of a run is:
# those pages are the system's to take back), read every few milliseconds; its seconds in $took.
weigh() {
	local from=$SECONDS output=$1 key value
	shift
	"$@" >"$output" 2>"$T/err" &
	kib=0 resident=0
	while kill -0 $! 2>/dev/null; do
		while read -r key value _; do
			[ "$key" = RssAnon: ] && [ "$value" -gt "$kib" ] && kib=$value
			[ "$key" = VmHWM: ] && resident=$value
		done 2>/dev/null <"/proc/$!/status"
		sleep 0.02
	done 2>/dev/null
	rc=0
	wait $! || rc=$?
	err=$(cat "$T/err") took=$((SECONDS - from))
	echo "# $took s; $kib KiB, $resident KiB with what is mapped"
}

# grows_by KIB SMALL LARGE NAME
grows_by() {
	local status=1
	[ $(($3 - $2)) -le "$1" ] && status=0
	tap_result $status "$4 ($2 and $3 KiB)"
}

# more_records N FILE: N records made of a few thousand, short, each with an id of its own.
more_records() {
	id_pairs 2000 | sed 's/^{"id":"p[0-9]*",//' | awk -v n="$1" '{ line[NR] = $0 }
		END { for (i = 0; i < n; i++) printf "{\"id\":\"r%d\",%s\n", i, line[i % NR + 1] }' >"$2"
}

make_tiny "$T/model"
more_records "$MANY" "$T/all"
few=$((MANY / 10))
head -n $few "$T/all" >"$T/few"

ref() { # IN OUT
	weigh "$2" "$BIN/od-ref" -q --threads 1 --model "$T/model" "$1"
	exit_is 0 "od-ref takes $(wc -l <"$1") records"
}
ref "$T/few" "$T/few.ref"; small=$kib
ref "$T/all" "$T/all.ref"
is "$(wc -l <"$T/all.ref")" "$MANY" "they all came out"
grows_by 2048 "$small" "$kib" "od-ref: memory stays"

# Enough updates that their memory is seen, which is little longer than a look otherwise.
update() { # IN
	weigh "$T/stdout" "$BIN/od-train" -q --threads 1 --model "$T/model" --batch 16 --steps 100 --force --out "$T/out" "$1"
	exit_is 0 "od-train takes a hundred updates of $(wc -l <"$1") records"
}
update "$T/few.ref"; small=$kib
update "$T/all.ref"
# the order of the pairs is in memory, and where each lies in the spool: 32 bytes a record; the spool itself is not
grows_by $((2048 + 32 * (MANY - few) / 1024)) "$small" "$kib" "od-train: nothing but the index grows"
