#!/usr/bin/env bash
# od-inspect weights: values, what it reads, what it needs, the summary and its warnings. (The 400 x 15 reference cases are
# tests/oracle/loss.py.)
. tests/cli/lib.sh

I=$BIN/od-inspect
pair='{"id":"p","policy_chosen_logps":-10,"policy_rejected_logps":-30,"ref_chosen_logps":-12,"ref_rejected_logps":-24,"chosen_tokens":10,"rejected_tokens":20,"score_chosen":4,"score_rejected":2}'

# near JQ-EXPR WANTED NAME: of the one line in $out, to 1e-12 relative
near() {
	is "$(jq "($1) as \$a | ($2) as \$b | (\$a - \$b | fabs) <= 1e-12 * (\$b | fabs)" <<< "$out")" true "$3"
}

# By hand: p_w = -1, p_l = -1.5, r_w = -1.2, r_l = -1.2; z = 2 * 0.5; m = 2 * 0.5 - 0.8 = 0.2.
run_tool "$I" weights --json <<< "$pair"
exit_is 0 "weights --json: exit 0"
one_line "$out" "one line a pair"
is "$(jq -c 'keys_unsorted' <<< "$out")" \
	'["id","loss","w_qual","w_perf","z","gate","nll","dlogp_chosen","dlogp_rejected","margin"]' "the fields"
is "$(jq -r .id <<< "$out")" p "the id"
near .z 1 "z"
near .w_qual '1 / (1 + (-1.4 | exp))' "w_qual"
near .w_perf '(1 - 1 / (1 + (-0.2 | exp))) | pow(.; 3)' "w_perf"
near .loss '(1 / (1 + (-1.4 | exp))) * ((1 - 1 / (1 + (-0.2 | exp))) | pow(.; 3)) * (1 + (-1 | exp) | log)' "loss"
is "$(jq -c '[.gate,.nll]' <<< "$out")" '[0,0]' "the policy is above the reference: no c-NLL"
near '.dlogp_chosen * 10' '-.dlogp_rejected * 20' "the two derivatives per mean are opposite"
run_tool "$I" weights --json --objective dpo <<< "$pair"
near .z '0.1 * (2 - -6)' "dpo: beta 0.1 on sums"
run_tool "$I" weights --json --objective dpo --beta 0.5 <<< "$pair"
near .z '0.5 * (2 - -6)' "dpo: beta given"
run_tool "$I" weights --json --weight-field w <<< "${pair%\}},\"w\":0.5}"
near .loss '0.5 * (1 / (1 + (-1.4 | exp))) * ((1 - 1 / (1 + (-0.2 | exp))) | pow(.; 3)) * (1 + (-1 | exp) | log)' "--weight-field"
like "$(jq -r .loss <<< '{"loss":0.1}'; "$I" weights --json <<< "$pair" | grep -o '"w_qual":[0-9.]*')" '[0-9]{16,}' "17 digits"

# ids: strings, integers, none
{ echo "${pair/\"p\"/17}"; echo "${pair/\"id\":\"p\",/}"; echo "${pair/\"p\"/\"a\\\"b\"}"; } > "$T/ids"
run_tool "$I" weights --json "$T/ids"
is "$(jq -sc 'map(.id)' "$T/out")" '[17,null,"a\"b"]' "ids as they are"

# Without policy log-probs the reference stands in: z = 0 and the loss is w_qual w_perf ln 2.
run_tool "$I" weights --json <<< "$(jq -c 'del(.policy_chosen_logps,.policy_rejected_logps)' <<< "$pair")"
is "$(jq -c '[.z,.gate]' <<< "$out")" '[0,0]' "policy = reference: z 0, gate shut"
near .loss '.w_qual * .w_perf * (2 | log)' "policy = reference: weighted ln 2"

# ---- needs: by objective, named when missing
# lacks FIELD OPTIONS...: exit 3 naming it
lacks() {
	local field=$1
	shift
	run_tool "$I" weights --json "$@" <<< "$(jq -c "del(.$field)" <<< "$pair")"
	exit_is 3 "without $field ($*): exit 3"
	like "$err" "^od-inspect: .*:1: record 'p': field '$field' is missing" "without $field ($*): named"
}
# fine FIELD OPTIONS...: not needed
fine() {
	local field=$1
	shift
	run_tool "$I" weights --json "$@" <<< "$(jq -c "del(.$field)" <<< "$pair")"
	exit_is 0 "without $field ($*): fine"
	unlike "$out" 'null' "without $field ($*): every value is a number"
}
for f in ref_chosen_logps ref_rejected_logps policy_chosen_logps policy_rejected_logps chosen_tokens rejected_tokens \
	score_chosen score_rejected; do
	lacks $f
done
fine chosen_tokens --objective dpo
fine rejected_tokens --no-length-norm
fine score_rejected --objective dpo-ln
fine score_chosen --no-qual --lambda 0
fine ref_chosen_logps --objective simpo
fine policy_rejected_logps --objective sft
fine rejected_tokens --objective sft
run_tool "$I" weights --json --skip-bad - <<< "$(echo "$pair"; echo '{"id":"x"}'; echo "$pair")"
exit_is 4 "--skip-bad: exit 4"
is "$(wc -l < "$T/out")" 2 "--skip-bad: the others come"
run_tool "$I" weights --json --beta 0 <<< "$pair"
exit_is 2 "--beta 0: exit 2"
run_tool "$I" weights --objective nosuch <<< "$pair"
exit_is 2 "unknown objective: exit 2"
like "$err" 'focal-dpo' "unknown objective: names there are"

# ---- the summary
for i in $(seq 40); do
	jq -c --argjson i "$i" '.score_chosen = 2 + $i / 20 | .policy_chosen_logps = -20 + $i / 4' <<< "$pair"
done > "$T/many"
run_tool "$I" weights "$T/many"
exit_is 0 "summary: exit 0"
like "$out" '^40 pairs, objective omni: beta 2, eta 0.7' "summary: the objective"
like "$out" "policy: the records' policy_\*_logps" "summary: whose policy"
like "$out" 'Spearman of the score margin against the reward margin 1[^0-9.]' "summary: rank correlation of a monotone sample is 1"
like "$out" 'effective sample size' "summary: effective sample size"
like "$out" 'c-NLL acts on' "summary: c-NLL"
like "$out" $'\nw_qual \* w_perf\n +\[' "summary: histograms"
is "$err" "" "summary: no warning without cause"
run_tool "$I" weights --eta 0.001 --tau-good 9 "$T/many"
like "$err" 'w_qual is nearly constant' "summary: a constant weight is told"
like "$err" 'no chosen score reaches tau_good 9' "summary: an unreachable tau_good is told"
run_tool "$I" weights --tau-good 1 "$T/many"
like "$err" 'nearly all chosen scores' "summary: a tau_good that all reach is told"
run_tool "$I" weights --objective dpo --tau-good 9 "$T/many"
is "$err" "" "summary: no such warnings for objectives without scores"
run_tool "$I" weights --objective sft "$T/many"
exit_is 0 "summary of sft: exit 0"
if command -v gnuplot > /dev/null; then
	run_tool "$I" weights --plot "$T/w.svg" "$T/many"
	exit_is 0 "--plot: exit 0"
	like "$(head -c 300 "$T/w.svg")" '<svg' "--plot draws"
	run_tool "$I" weights --json --plot "$T/w2.svg" "$T/many"
	is "$(wc -l < "$T/out")" 40 "--plot with --json keeps the lines"
	ok "and draws too" test -s "$T/w2.svg"
else
	skip 4 "gnuplot is not installed"
fi
run_tool "$I" weights --plot "$T/w.jpg" "$T/many"
exit_is 2 "--plot with another ending: exit 2"
done_testing
