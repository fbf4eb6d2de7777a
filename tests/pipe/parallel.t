#!/usr/bin/env bash
# examples/parallel/run: od-score and od-ref over shards give the bytes of one pipe, also after jobs failed and were run again.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh
command -v parallel > /dev/null || skip_all "GNU parallel is not installed"

mkdir "$T/w" "$T/bin"
export TMPDIR=$T HOME=$T PARALLEL_HOME=$T/parallel
make_tiny "$T/w/model"
id_pairs 53 | sed '7s/"chosen_ids":\[[^]]*\]/"chosen_ids":[1,2,3]/; 7s/"rejected_ids":\[[^]]*\]/"rejected_ids":[1,2,3]/' > "$T/w/pairs"
export BIN=$(cd "$BIN" && pwd)
run=$PWD/examples/parallel/run
cd "$T/w" || exit 1
"$BIN/od-score" -q --scale 1,0 pairs 2> /dev/null | "$BIN/od-ref" -q --threads 1 --model model > want
is "$(wc -l < want)" 52 "one pipe leaves the pair with identical responses out"

export MODEL=model PAIRS=pairs SCORE="--scale 1,0" THREADS=1 JOBS=2
run_tool env OUT=out SHARDS=5 "$run"
exit_is 0 "five shards"
ok "the bytes of one pipe" cmp -s out want
is "$(ls)" "$(printf 'model\nout\npairs\nwant')" "nothing but OUT is left"
gzip -kc pairs > pairs.gz
run_tool env PAIRS=pairs.gz OUT=gz SHARDS=3 "$run"
ok "compressed input, three shards" cmp -s gz want
run_tool env OUT=out SHARDS=5 "$run"
exit_is 2 "an OUT that is there is refused"

# ---- jobs that fail: an od-ref that dies of the shards named in $T/die ----
cat > "$T/bin/od-ref" <<- SCRIPT
	#!/bin/bash
	input=\$(cat)
	echo "\${CUDA_VISIBLE_DEVICES:-none}" >> "$T/calls"
	sleep "\$(cat "$T/nap" 2> /dev/null || echo 0)"
	grep -q '"id":"p1"' <<< "\$input" && [ -e "$T/die" ] && { echo half; exit 1; }
	args=(); for a; do [ "\$a" = --device ] || [ "\$a" = cuda ] || args+=("\$a"); done
	exec "$BIN/od-ref" "\${args[@]}" <<< "\$input"
SCRIPT
chmod +x "$T/bin/od-ref"
ln -s "$BIN/od-score" "$T/bin/od-score"
: > "$T/die"
export BIN=$T/bin
run_tool env OUT=two SHARDS=4 "$run"
exit_is 1 "a shard that fails"
like "$err" 'run: 1 of 4 shards failed; the same command does them again' "is counted"
ok "no OUT" test ! -e two
is "$(ls two.shards/*.done | wc -l)" 3 "the others are kept"
run_tool env OUT=two SHARDS=6 "$run"
exit_is 2 "another number of shards is other work"
rm "$T/die" "$T/calls" "two.shards/2.done"                 # one failed, one was lost
run_tool env OUT=two SHARDS=4 "$run"
exit_is 0 "run again"
is "$(wc -l < "$T/calls")" 2 "only what was missing is computed"
ok "the bytes of one pipe" cmp -s two want

# ---- GPUs: each job has one to itself ----
rm "$T/calls"
echo 0.3 > "$T/nap"
run_tool env GPUS=2 JOBS=2 OUT=gpu SHARDS=4 "$run"
exit_is 0 "two GPUs"
is "$(sort -u "$T/calls" | tr '\n' ' ')" "0 1 " "jobs see one GPU each"
ok "the bytes of one pipe" cmp -s gpu want
rm "$T/calls"
run_tool env GPUS=1 JOBS=2 OUT=few SHARDS=2 "$run"
exit_is 1 "more jobs than GPUs"
like "$err" 'all 1 GPUs are taken' "is told"
rm "$T/nap"

# ---- machines: this one, by the name that needs no ssh ----
echo : > hosts
run_tool env HOSTS=hosts OUT=hosts.out SHARDS=3 "$run"
exit_is 0 "--sshloginfile"
ok "the bytes of one pipe" cmp -s hosts.out want

# ---- any other filter: CMD ----
export BIN=$(dirname "$(readlink "$T/bin/od-score")")
for i in $(seq 23); do
	echo "{\"id\":\"r$i\",\"prompt\":\"q\",\"responses\":[{\"text\":\"a\",\"score\":1},{\"text\":\"b\",\"score\":2},{\"text\":\"c\",\"score\":$((i % 5 ? 3 : 2))},{\"text\":\"d\",\"score\":1}]}"
done > sets
"$BIN/od-pair" -q --strategy best-random --all sets > pairs.want
pair='od-pair -q --strategy best-random --all | jq -c .'
run_tool env -u MODEL -u PAIRS CMD="$pair" IN=sets OUT=pairs.out SHARDS=4 "$run"
exit_is 0 "CMD: a pipeline of other tools"
ok "the records of one process, several of a record in their order" cmp -s pairs.out pairs.want
OD_FRAMED=1 "$BIN/od-score" -q pairs.want > framed
run_tool env -u MODEL -u PAIRS CMD='od-score -q' IN=framed OUT=scored SHARDS=50 "$run"
exit_is 0 "CMD: a framed input, more shards than records"
is "$(cat scored)" "$(grep -v '^{"od_' framed)" "its records come out without frames"
head -n 9 framed > cut
run_tool env -u MODEL -u PAIRS CMD='od-score -q' IN=cut OUT=cut.out SHARDS=3 "$run"
exit_is 3 "CMD: a cut stream is refused"
rm -rf cut.out.shards
run_tool env -u MODEL -u PAIRS CMD='od-score -q | head -c 9; exit 1' IN=pairs.want OUT=dead SHARDS=2 "$run"
exit_is 1 "CMD: a command that fails"
ok "no OUT" test ! -e dead
cd /
done_testing
