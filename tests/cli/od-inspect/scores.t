#!/usr/bin/env bash
# od-inspect scores: figures by hand, matching by id and position, exchanged sides, two named scores, what does not belong together.
. tests/cli/lib.sh

I=$BIN/od-inspect
pair() { # ID SCORE_CHOSEN SCORE_REJECTED
	printf '{"id":"%s","prompt":"q","chosen":"a%s","rejected":"b%s","score_chosen":%s,"score_rejected":%s}\n' "$1" "$1" "$1" "$2" "$3"
}
near() { # JQ-EXPR WANTED NAME: of the JSON in $out, to 1e-12 relative
	is "$(jq "($1) as \$a | ($2) as \$b | (\$a - \$b | fabs) <= 1e-12 * (1 + (\$b | fabs))" <<< "$out")" true "$3"
}

# Margins: A 2, -1, 0, 3, 1; B 1, 1, -2, -1, 0.5.
{ pair 1 4 2; pair 2 2 3; pair 3 3 3; pair 4 5 2; pair 5 3.2 2.2; } > "$T/a"
{ pair 1 3.5 2.5; pair 2 4 3; pair 3 1 3; pair 4 3 4; pair 5 1.5 1; } > "$T/b"
run_tool "$I" scores --json "$T/a" "$T/b"
exit_is 0 "two files: exit 0"
one_line "$out" "--json: one line"
is "$(jq -c '[.pairs,.unscored,.swapped,.a.only,.b.only]' <<< "$out")" '[5,0,0,0,0]' "all pairs match"
is "$(jq -c '[.a,.b | .up,.down,.ties,.good]' <<< "$out")" '[3,1,1,3,3,2,0,2]' "signs and good responses of each"
is "$(jq -c '[.flips.a_up,.flips.b_up,.good_both]' <<< "$out")" '[1,1,1]' "flips, good under both"
# Deviations from the means 1 and -0.1.
near .pearson.value '-1 / (72 | sqrt)' "Pearson"
# Ranks A 4, 1, 2, 5, 3; B 4.5, 4.5, 1, 2, 3.
near .spearman.value '(4*4.5 + 4.5 + 2 + 10 + 9 - 45) / ((10 * (20.25*2 + 1 + 4 + 9 - 45)) | sqrt)' "Spearman"
near '.change.value * 5' '[[2,1],[-1,1],[0,-2],[3,-1],[1,0.5]] | map(1 / (1 + (-0.7 * .[1] | exp)) - 1 / (1 + (-0.7 * .[0] | exp))) | add' "mean change of w_qual"
near '.change_quantiles["0"]' '1 / (1 + (0.7 | exp)) - 1 / (1 + (-2.1 | exp))' "the lowest change"
is "$(jq -c '[.largest[].id]' <<< "$out")" '["4","2","3","1","5"]' "the largest changes first"
is "$(jq -c '.largest[0] | [.record,.margin]' <<< "$out")" '[4,[3,-1]]' "with their margins"
is "$(jq -c '.pearson.low < .pearson.value and .pearson.value < .pearson.high and .change.low < .change.high' <<< "$out")" true "intervals"
run_tool "$I" scores --json --eta 0 --tau-good 5 --largest 2 "$T/a" "$T/b"
is "$(jq -c '[.a.w_qual,.b.w_qual,.change.value,.a.good,.b.good,(.largest | length)]' <<< "$out")" '[0.5,0.5,0,1,0,2]' "--eta, --tau-good, --largest"

# ---- for people
run_tool "$I" scores "$T/a" "$T/b"
exit_is 0 "tables: exit 0"
like "$out" '^5 pairs compared; eta 0.7, tau_good 3.2' "tables: the head"
like "$out" 'signs flip in 2 pairs \(40.0 %\): 1 up under A and down under B, 1 the other way' "tables: flips"
like "$out" 'good under both 1, A only 2, B only 1, neither 1' "tables: tau_good"
like "$out" 'Spearman of the margins' "tables: correlation"
like "$out" 'largest changes' "tables: largest changes"
is "$err" "" "tables: nothing on stderr"

# ---- matching
tac "$T/b" > "$T/turned"
"$I" scores --json "$T/a" "$T/b" | jq -c 'del(.b.label)' > "$T/wanted"
run_tool "$I" scores --json "$T/a" "$T/turned"
is "$(jq -c 'del(.b.label)' <<< "$out")" "$(cat "$T/wanted")" "ids match in any order"
run_tool "$I" scores --json --match position "$T/a" "$T/turned"
exit_is 3 "by position these are other pairs: exit 3"
like "$err" "record 1 of '.*a' and record 1 of '.*turned' \('1'\) are pairs of other responses" "other pairs: told"
for f in a b; do jq -c 'del(.id)' "$T/$f" > "$T/$f.noid"; done
run_tool "$I" scores --json "$T/a.noid" "$T/b.noid"
exit_is 0 "without ids: exit 0"
is "$(jq -c '.pearson' <<< "$out")" "$(jq -c .pearson "$T/wanted")" "without ids: by position"
run_tool "$I" scores "$T/a.noid" "$T/b.noid"
like "$out" $'\nrecord 4 ' "without ids: the largest change is named by its place"
run_tool "$I" scores --match id "$T/a" "$T/b.noid"
exit_is 3 "--match id without ids: exit 3"
like "$err" '[-]-match position' "--match id without ids: what to do"
run_tool "$I" scores "$T/a.noid" <(head -n 3 "$T/b.noid")
exit_is 3 "other numbers of pairs: exit 3"
like "$err" 'has 5 pairs and .* has 3' "other numbers of pairs: told"
run_tool "$I" scores --json "$T/a" <(sed 1d "$T/b"; pair 9 1 2)
exit_is 0 "ids that only one has: exit 0"
is "$(jq -c '[.pairs,.a.only,.b.only]' <<< "$out")" '[4,1,1]' "ids that only one has: counted"
run_tool "$I" scores "$T/a" <(pair 9 1 2)
exit_is 3 "nothing in common: exit 3"
like "$err" 'no pair of' "nothing in common: told"
run_tool "$I" scores "$T/a" <(cat "$T/b" "$T/b")
exit_is 3 "ids that come twice: exit 3"
like "$err" "id '1' comes twice" "ids that come twice: named"
jq -c '. as $r | .chosen = $r.rejected | .rejected = $r.chosen | .score_chosen = $r.score_rejected | .score_rejected = $r.score_chosen' "$T/b" > "$T/swapped"
run_tool "$I" scores --json "$T/a" "$T/swapped"
is "$(jq -c '[.swapped,.pearson]' <<< "$out")" "[5,$(jq -c .pearson "$T/wanted")]" "exchanged sides are put right"
run_tool "$I" scores --json "$T/a" - < "$T/b"
exit_is 0 "one may be standard input"

# ---- named scores of one stream
jq -c '{id,chosen,rejected,score_chosen,score_rejected,scores:{n:{expert:"e",scale:[1,0]}},
	scores_chosen:{n:(.score_chosen + 1)},scores_rejected:{n:.score_rejected}}' "$T/a" > "$T/named"
run_tool "$I" scores --json --names score,n "$T/named"
exit_is 0 "--names: exit 0"
is "$(jq -c '[.pairs,.a.mean_margin,.b.mean_margin,.a.score,.b.score,.b.label,(.pearson.value * 1e9 | round / 1e9)]' <<< "$out")" \
	'[5,1,2,null,{"expert":"e","scale":[1,0]},"n",1]' "--names: two scores of each record"
run_tool "$I" scores --names n,m "$T/named"
exit_is 3 "--names: a name that is not there: exit 3"
like "$err" "named:1: record '1': field 'scores_chosen.m' is missing" "--names: told"
for names in n n, ,n n,m,o ''; do
	run_tool "$I" scores --names "$names" "$T/named"
	exit_is 2 "--names '$names': exit 2"
done

# ---- bad input
run_tool "$I" scores "$T/a"
exit_is 2 "one file: exit 2"
run_tool "$I" scores "$T/a" "$T/b" "$T/b"
exit_is 2 "three files: exit 2"
bad() { # NAME RECORD REGEX
	{ cat "$T/b"; printf '%s\n' "$2"; } > "$T/in"
	run_tool "$I" scores "$T/a" "$T/in"
	exit_is 3 "$1: exit 3"
	like "$err" "^od-inspect: .*in:6: .*$3" "$1: named"
	run_tool "$I" scores --json --skip-bad "$T/a" "$T/in"
	exit_is 4 "$1: exit 4 under --skip-bad"
	is "$(jq .pairs <<< "$out")" 5 "$1: the others are compared"
}
bad 'no scores' '{"id":"9","chosen":"a","rejected":"b"}' "field 'score_chosen' is missing"
bad 'one score' '{"id":"9","score_chosen":1}' "field 'score_rejected' is missing"
bad 'a score that is text' '{"id":"9","score_chosen":"1","score_rejected":2}' "'score_chosen' must be a number, not a string"
bad 'NaN' '{"id":"9","score_chosen":NaN,"score_rejected":2}' ''
bad 'beyond numbers' '{"id":"9","score_chosen":1e999,"score_rejected":2}' ''
sed 's/"score_chosen":4,/"score_chosen":null,/' "$T/b" > "$T/null"
run_tool "$I" scores "$T/a" "$T/null"
exit_is 0 "a score of null: exit 0"
like "$out" '^4 pairs compared, 1 left out for want of a score' "a score of null: left out and counted"
run_tool "$I" scores <(pair 1 null 2) <(pair 1 1 2)
exit_is 0 "nothing but nulls: exit 0"
like "$out" '^0 pairs compared, 1 left out' "nothing but nulls: counted"
run_tool "$I" scores <(pair 1 1 2) <(pair 1 1 2)
exit_is 0 "a single pair: exit 0"
like "$out" 'Pearson of the margins - ' "a single pair has no correlation"
run_tool "$I" scores "$T/a" /dev/null
exit_is 3 "an empty file: exit 3"
run_tool "$I" scores --json --allow-empty /dev/null /dev/null
exit_is 0 "--allow-empty"
is "$(jq -c '[.pairs,.pearson.value,.a.mean_margin]' <<< "$out")" '[0,null,null]' "--allow-empty: nothing is null, never 0"

# ---- a picture
run_tool "$I" scores --plot "$T/p.jpg" "$T/a" "$T/b"
exit_is 2 "--plot with another ending: exit 2"
run_tool "$I" scores --plot "$T/p.gp" "$T/a" "$T/b"
exit_is 0 "--plot FILE.gp: exit 0"
like "$(cat "$T/p.gp")" 'S_w - S_l' "--plot FILE.gp: the script"
if command -v gnuplot > /dev/null; then
	run_tool "$I" scores --json --plot "$T/p.svg" "$T/a" "$T/b"
	exit_is 0 "--plot: exit 0"
	like "$(head -c 300 "$T/p.svg")" '<svg' "--plot draws"
else
	skip 2 "gnuplot is not installed"
fi
done_testing
