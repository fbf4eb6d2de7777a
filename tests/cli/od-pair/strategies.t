#!/usr/bin/env bash
# What each strategy makes of candidates, what a pair's line holds, the cap, the seed.
. tests/cli/lib.sh

P="$BIN/od-pair"
# set ID PROMPT-JSON RESPONSE...: a record; a response is TEXT:SCORE:CORRECT, "-" leaves a member out.
set_of() {
	local id=$1 prompt=$2 r text score correct list=
	shift 2
	for r; do
		IFS=: read -r text score correct <<< "$r"
		list+="${list:+,}{\"text\":\"$text\""
		[ "$score" = - ] || list+=",\"score\":$score"
		[ "$correct" = - ] || list+=",\"correct\":$correct"
		list+='}'
	done
	printf '{"id":"%s","prompt":%s,"responses":[%s]}\n' "$id" "$prompt" "$list"
}
sides() { jq -c '[.chosen, .rejected]' "$T/out"; }

# ---- the line ----
line='{ "id" : "a" , "x":0.10,"prompt":"caf\u00e9", "big":12345678901234567890,"responses":[ {"text":"lo","score":1.50,"correct":false,"t":[1]}, {"text":"hi\u0041\"","score":4.0,"correct":true} ] ,"score":{"expert":"prm","scale":[10,0]},"y":1E+2 }'
run_tool $P -q <<< "$line"
exit_is 0 "a record: exit 0"
is "${out%%,\"chosen\":*}" '{ "id" : "a" , "x":0.10,"prompt":"caf\u00e9", "big":12345678901234567890,"score":{"expert":"prm","scale":[10,0]},"y":1E+2 ' \
	"all but responses keeps its bytes"
is "${out#*1E+2 }" ',"chosen":"hiA\"","score_chosen":4,"correct_chosen":true,"chosen_index":1,"rejected":"lo","score_rejected":1.5,"score_margin":2.5,"correct_rejected":false,"rejected_index":0}' \
	"the pair's members"
run_tool $P -q <<< '{"responses":[{"text":"a","score":1},{"text":"b","score":2}],"prompt":"q"}'
is "$out" '{"prompt":"q","chosen":"b","score_chosen":2,"chosen_index":1,"rejected":"a","score_rejected":1,"score_margin":1,"rejected_index":0}' \
	"what is not known is not there"
run_tool $P -q <<< '{"prompt":"q","chosen":"old","score_chosen":7,"responses":[{"text":"a","score":1},{"text":"b","score":2}]}'
is "$(jq -c '[.chosen,.score_chosen]' <<< "$out")" '["b",2]' "members of a pair that are there already are replaced"
is "$(jq -c "keys|length" <<< "$out")" 8 "and not doubled"

# ---- messages ----
chat='[{"role":"system","content":"be"},{"role":"user","content":"q"}]'
set_of m "$chat" a:1:- b:2:- > "$T/chat"
run_tool $P -q "$T/chat"
is "$(sides)" '[[{"role":"assistant","content":"b"}],[{"role":"assistant","content":"a"}]]' "a prompt of messages gives messages"
is "$(jq -c .prompt "$T/out")" "$chat" "the prompt stays"
run_tool $P -q --messages "$T/chat"
is "$(jq -c .chosen "$T/out")" "${chat%]},{\"role\":\"assistant\",\"content\":\"b\"}]" "--messages: the whole dialogue"
set_of s '"q"' a:1:- b:2:- > "$T/text"
run_tool $P -q --messages "$T/text"
is "$(jq -c .rejected "$T/out")" '[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]' "--messages: of a text too"

# ---- strategies ----
{
	set_of r1 '"q1"' a:9:false b:3:true c:8:true d:2:false
	set_of r2 '"q2"' a:9:false b:8:false
	set_of r3 '"q3"' 'x \\boxed{1}:5:false' y:5:true z:4:false
} > "$T/in"
run_tool $P -q "$T/in"
is "$(sides)" $'["a","d"]\n["a","b"]\n["x \\\\boxed{1}","z"]' "best-worst is the default"
run_tool $P -q --strategy math-paper "$T/in"
is "$(sides)" $'["c","d"]\n["y","z"]' "math-paper"
run_tool $P -q --strategy math-authors "$T/in"
is "$(sides)" '["c","b"]' "math-authors: a correct one is rejected, and 5 is not above the floor"
run_tool $P -q --strategy math-authors --floor 4 "$T/in"
like "$(sides | tail -n 1)" '^\["y","(x .*|z)"\]$' "math-authors: a wrong one at random where there is no other correct one"
run_tool $P -q --strategy math-authors --floor 4 <<< "$(set_of e '"q"' a:5:true b:5:true)"
is "$(sides)" '["a","b"]' "math-authors: equal scores pair up with a margin of 0"
run_tool $P -q --strategy math-authors --margin 6 "$T/in"
is "$(sides)" '["c","d"]' "math-authors: a wrong one where no correct one is far enough"
run_tool $P -q --strategy iterative "$T/in"
is "$(sides)" $'["b","a"]\n["y","z"]' "iterative"
is "$(jq -c '[.score_chosen,.score_rejected,.score.expert]' "$T/out" | sort -u)" '[1,-1,"rule"]' "iterative: its rewards are the scores"
run_tool $P -q --strategy raft "$T/in"
is "$(jq -c '[.chosen,.score_chosen,has("rejected"),has("score_margin")]' "$T/out")" $'["c",8,false,false]\n["y",5,false,false]' "raft: the best correct one"
run_tool $P -q --strategy raft --all "$T/in"
is "$(jq -r .chosen "$T/out" | tr '\n' ' ')" "c b y " "raft --all: every correct one, best first"
for i in $(seq 60); do set_of "id$i" '"q"' a:1:- b:2:- c:3:- d:4:-; done > "$T/many"
run_tool $P -q --strategy best-random "$T/many"
is "$(jq -r .chosen "$T/out" | sort -u)" d "best-random: the best"
is "$(jq -r .rejected "$T/out" | sort -u | tr -d '\n')" abc "against any lower one"

# ---- what a random choice depends on ----
cp "$T/out" "$T/first"
shuf "$T/many" | "$P" -q --strategy best-random | sort > "$T/shuffled"
ok "not on the order of the records" cmp -s <(sort "$T/first") "$T/shuffled"
run_tool $P -q --strategy best-random --seed 0 "$T/many"
ok "--seed 0 is the default" cmp -s "$T/out" "$T/first"
run_tool $P -q --strategy best-random --seed 9 "$T/many"
ok "on --seed" test "$(cmp -s "$T/out" "$T/first"; echo $?)" = 1
is "$("$P" -q --strategy best-random --shard 3/7 "$T/many" | md5sum)" "$(awk 'NR % 7 == 4' "$T/first" | md5sum)" "not on the shard"

# ---- several pairs a record, and the cap ----
for i in 1 2 3; do set_of "r$i" '"q"' a:1:- b:2:- c:3:- d:4:- e:5:- f:6:-; done > "$T/six"
pairs() { jq -r '.id + .chosen + .rejected' "$T/out" | tr '\n' ' '; }
run_tool $P -q --all "$T/six"
is "$(pairs)" "r1fa r1eb r1dc r2fa r2eb r2dc r3fa r3eb r3dc " "--all: no response is in two pairs"
run_tool $P -q --pairs-per-prompt 2 "$T/six"
is "$(pairs)" "r1fa r1eb r2fa r2eb r3fa r3eb " "--pairs-per-prompt"
run_tool $P -q --pairs-per-prompt 0 --cap 100 "$T/six"
is "$(pairs)" "r1fa r2fa r3fa r1eb r2eb r3eb r1dc r2dc r3dc " "under a cap they come sweep by sweep"
for n in 1 2 3 4 5 7 8; do
	run_tool $P --all --cap $n "$T/six"
	is "$(pairs)" "$(tr ' ' '\n' <<< "r1fa r2fa r3fa r1eb r2eb r3eb r1dc r2dc r3dc" | head -n $n | tr '\n' ' ')" "--cap $n takes the first $n of these"
	like "$err" "$n pairs of 3 records .*, $((9 - n)) over the cap" "and counts the others"
done
run_tool $P -q --cap 2 "$T/many"
is "$(wc -l < "$T/out")" 2 "--cap with a pair a record"
run_tool $P -q --cap 2 <(cat "$T/many"; echo '{')
exit_is 3 "the input is read to its end all the same"
for i in $(seq 30); do set_of "n$i" '"q"' a:9:true b:8:true c:7:true d:1:false; done > "$T/math"
run_tool $P -q --strategy math-authors --cap 40 --seed 42 "$T/math"
is "$(wc -l < "$T/out")" 40 "math-authors over and over, to the cap"
is "$(jq -r .id "$T/out" | head -n 30 | sort -u | wc -l)" 30 "every record once before any twice"
is "$(jq -r '.id + " " + (.chosen, .rejected)' "$T/out" | sort | uniq -d | wc -l)" 0 "no response in two pairs"
is "$(jq -c 'select(.chosen == .rejected or .correct_chosen == false or .score_margin < 0)' "$T/out")" "" "no response against itself, none wrong chosen"
done_testing
