#!/usr/bin/env bash
# od-inspect curve: objectives as functions of the margin.
. tests/cli/lib.sh

I=$BIN/od-inspect
run_tool "$I" curve
exit_is 0 "a table: exit 0"
like "$out" 'margin +weight +coefficient +loss' "its columns"
run_tool "$I" curve --json --objective dpo-ln --from -2 --to 2 --points 5
exit_is 0 "--json: exit 0"
is "$(jq -sc 'map(.margin)' "$T/out")" '[-2,-1,0,1,2]' "the points"
is "$(jq -sc 'map(.coefficient - 1 / (1 + (.margin | exp)) | fabs < 1e-15) | all' "$T/out")" true \
	"dpo's coefficient is sigmoid(-margin)"
is "$(jq -sc 'map(.loss - (1 + (-.margin | exp) | log) | fabs < 1e-15) | all' "$T/out")" true "and its loss -log sigmoid"
run_tool "$I" curve --json --objective dpo-ln --ref-margin 1 --from 1 --to 3 --points 2
is "$(jq -sc '.[0].coefficient' "$T/out")" 0.5 "the reference's margin is subtracted"
run_tool "$I" curve --json --from 4 --to 8 --points 9
is "$(jq -sc '[.[].coefficient] | . == (sort | reverse)' "$T/out")" true "omni: less and less weight on pairs that are learnt"
# The coefficient is minus the slope of the loss, through w_perf too.
run_tool "$I" curve --json --from -1 --to 1 --points 2001
is "$(jq -sc '[range(1; 2000; 50) as $i | ((.[$i + 1].loss - .[$i - 1].loss) / 0.002 + .[$i].coefficient | fabs) < 1e-6] | all' "$T/out")" \
	true "the coefficient is the slope of the loss"
run_tool "$I" curve --objective sft
exit_is 2 "sft has no margin: exit 2"
run_tool "$I" curve --from 1 --to 1
exit_is 2 "an empty range: exit 2"
run_tool "$I" curve file
exit_is 2 "a file: exit 2"
if command -v gnuplot > /dev/null; then
	run_tool "$I" curve --plot "$T/c.svg"
	exit_is 0 "--plot: exit 0"
	like "$(head -c 300 "$T/c.svg")" '<svg' "--plot draws"
else
	skip 2 "gnuplot is not installed"
fi
done_testing
