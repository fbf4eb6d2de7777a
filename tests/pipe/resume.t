#!/usr/bin/env bash
# A run that is killed at any moment and resumed leaves the bytes of the run that was not.
. tests/cli/lib.sh
. tests/cli/od-train/fixture.sh

mkdir "$T/w"
make_tiny "$T/w/model"
id_pairs 40 | "$BIN/od-ref" -q --threads 1 --model "$T/w/model" > "$T/w/pairs"
id_pairs 10 2 | "$BIN/od-ref" -q --threads 1 --model "$T/w/model" > "$T/w/eval"
BIN=$(cd "$BIN" && pwd)
cd "$T/w" || exit 1

start() {
	exec "$BIN/od-train" -q --threads 1 --model ../model --out out --batch 4 --lr 1e-2 --epochs 6 --eval ../eval --eval-every 7 \
		--save-every 4 --keep 2 --keep-best "$@" ../pairs
}

# state DIR: one hash of everything a run leaves, but for the clock and the paths in the command.
state() {
	(cd "$1" && {
		sha256sum out/model.safetensors out.run/telemetry.jsonl $(find out.run -path '*step-*' -type f | sort)
		no_time out.run/metrics.jsonl
		jq 'del(.command)' out/od-train.json
		ls -R out.run
	}) | sha256sum
}

mkdir whole
began=$(date +%s%N)
(cd whole && start) || exit 1
took=$(($(date +%s%N) - began))
want=$(state whole)
ok "the whole run has 60 updates" test "$(grep -c '"lr"' whole/out.run/metrics.jsonl)" = 60

# killed_at FOLDER NANOSECONDS OPTIONS...: starts or resumes a run there and kills it after that time, if it lives so long.
killed_at() {
	local dir=$1 ns=$2 pid
	shift 2
	(cd "$dir" && start "$@") 2>> "$T/w/messages" &
	pid=$!
	sleep "$(awk -v ns="$ns" 'BEGIN { printf "%.4f", ns / 1e9 }')"
	kill -9 $pid 2> /dev/null
	wait $pid 2> /dev/null
}

RANDOM=${SEED:-$(($$ % 32768))}
echo "# SEED=${SEED:-$(($$ % 32768))}"
for i in 1 2 3 4 5 6 7 8 9 10; do
	mkdir "k$i"
	at=$((took / 1000 * (RANDOM % 1000)))
	killed_at "k$i" $at
	seen=$(ls "k$i/out.run" 2> /dev/null | tr '\n' ' ')
	(cd "k$i" && start --resume) || echo "# resume failed" >&2
	is "$(state "k$i")" "$want" "killed after $((at / 1000000)) ms ($seen), resumed"
done

# one run, killed again and again
mkdir many
for i in 1 2 3 4 5 6; do
	killed_at many $((took / 3000 * (RANDOM % 1000))) $([ -e many/out.run ] && echo --resume)
done
(cd many && start --resume)
is "$(state many)" "$want" "killed six times in a row, resumed"
is "$(cat messages)" "" "no resume had anything to say"

# ---- signals that ask politely ----
# stopped FOLDER SIGNAL: starts a run there and sends it the signal when a few updates are made; its exit code in $code.
stopped() {
	(cd "$1" && start --save-every 1000) 2> "$T/err" &
	local pid=$!
	while ! grep -q '"step":3,' "$1/out.run/metrics.jsonl" 2> /dev/null && kill -0 $pid 2> /dev/null; do sleep 0.01; done
	kill -"$2" $pid
	code=0
	wait $pid || code=$?
}
for sig in INT TERM; do
	mkdir "s$sig"
	stopped "s$sig" $sig
	is $code $((128 + $(kill -l $sig))) "SIG$sig: dies of it"
	like "$(cat "$T/err")" 'interrupted after update [0-9]+; --resume goes on' "SIG$sig: says how to go on"
	ok "SIG$sig: saved a checkpoint" test -n "$(ls -d "s$sig"/out.run/step-*)"
	ok "SIG$sig: no result yet" test ! -e "s$sig/out"
	(cd "s$sig" && start --save-every 1000 --resume)
	ok "SIG$sig: resumed, the same weights" cmp -s whole/out/model.safetensors "s$sig/out/model.safetensors"
	ok "SIG$sig: the same telemetry" cmp -s whole/out.run/telemetry.jsonl "s$sig/out.run/telemetry.jsonl"
done

# ---- a resume that must not be ----
mkdir bad
stopped bad TERM
step=$(ls -d bad/out.run/step-* | sort -V | tail -1)
damage() { # FILE BYTE
	printf 'X' | dd of="$1" bs=1 seek="$2" conv=notrunc 2> /dev/null
}
resume_bad() {
	run_tool bash -c 'cd bad && exec "$@"' _ "$BIN/od-train" -q --threads 1 --model ../model --out out --batch 4 --lr 1e-2 \
		--epochs 6 --eval ../eval --eval-every 7 --save-every 4 --keep 2 --keep-best "$@" --resume ../pairs
}
for f in model.safetensors optimizer.safetensors; do
	cp "$step/$f" kept
	damage "$step/$f" 3000
	resume_bad
	exit_is 3 "damaged $f: exit 3"
	like "$err" "step-[0-9]+/$f: the checkpoint is damaged" "it is named"
	cp kept "$step/$f"
done
cp "$step/model.safetensors" kept
head -c 1000 kept > "$step/model.safetensors"
resume_bad
exit_is 3 "cut model.safetensors: exit 3"
rm "$step/model.safetensors"
resume_bad
exit_is 3 "missing model.safetensors: exit 3"
cp kept "$step/model.safetensors"
cp "$step/state.json" kept
echo '{' > "$step/state.json"
resume_bad
exit_is 3 "damaged state.json: exit 3"
cp kept "$step/state.json"
resume_bad --lr 1e-3
exit_is 3 "another --lr: exit 3"
like "$err" "started with 'lr' 0\.01.*, this command says 0\.001" "it names the option and both values"
resume_bad --objective dpo
exit_is 3 "another objective: exit 3"
like "$err" "'objective' \"omni\", this command says \"dpo\"" "it names both"
cp bad/out.run/spool.pairs kept
damage bad/out.run/spool.pairs 2000
resume_bad
exit_is 3 "damaged spool: exit 3"
cp kept bad/out.run/spool.pairs
: > bad/out.run/metrics.jsonl
resume_bad
exit_is 3 "a log that lost its lines: exit 3"
like "$err" 'metrics.jsonl: the log has [0-9]+ lines less' "it is named"
ok "and still there is no result" test ! -e bad/out
cd / || exit 1
done_testing
