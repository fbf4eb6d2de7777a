#!/usr/bin/env bash
# make bench's machinery with tiny sizes and without PyTorch: every part of the table, every run a line, the table from the lines.
. tests/cli/lib.sh
build=${BUILD:-build/release}
[ -x "$build/tests/ops/bench_ceiling" ] || skip_all "bench_ceiling has not been built"
export OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1

bench() {
	run_tool python3 examples/bench/bench.py --bin "$BIN" --tests "$build/tests" --quick --dtype fp32 --threads 1 "$@"
}
bench --out "$T/made"
exit_is 0 "it runs"
is "$(grep '^## ' "$T/made/table.md" | tr -d '#' | tr -s ' \n' ' ')" \
	" Machine Products Operations Speed Memory Start-up Cost Commands " "the table has every part, and nothing failed"
is "$out" "$(cat "$T/made/table.md")" "it is printed too"
is "$(python3 examples/bench/table.py "$T/made/runs.jsonl")" "$out" "the runs' lines are enough to make it"

# a line a run, of every section, each parsed
sections=$(jq -r .section "$T/made/runs.jsonl" | sort | uniq -c | awk '{ print $2 }' | tr '\n' ' ')
is "$sections" "cost idle machine operations products speed startup " "every section has lines"
is "$(jq -s '[.[] | select(.failed)] | length' "$T/made/runs.jsonl")" 0 "none failed"
is "$(jq -s '[.[] | select(.section == "speed") | .rep] | tostring' "$T/made/runs.jsonl")" '"[0,1]"' "two turns"
is "$(jq -s '[.[] | select(.section == "products") | .who] | unique | tostring' "$T/made/runs.jsonl")" '"[\"omni-dpo\",\"onednn\"]"' \
	"products of both sides"
ok "no machine's folders in what may be published" \
	bash -c "! grep -qF -e '$T' -e '$PWD' -e '$(readlink -f "$BIN")' '$T/made/runs.jsonl' '$T/made/table.md'"
like "$out" '\| 15\+30 \| fp32 \| omni-dpo \| [0-9,]+ \([0-9,]+-[0-9,]+\) \| [0-9]+ % \|' "rates with their range and share"
like "$out" 'pairs of an update \| 2 to 8 \| -?[0-9.]+ ± [0-9.]+' "exponents with their error"

# an exponent and its error that are known
is "$(cd examples/bench && python3 -c '
import scaling
print("%.6f %.6f" % scaling.fit([1, 2, 4, 8], [3, 12, 48, 192]), scaling.fit([2, 2], [1, 2]))')" "2.000000 0.000000 (None, None)" "the fit"

# what cannot be had is a line and not the end
bench --out "$T/bad" --only products speed --tests "$T/none"
exit_is 0 "a program that is missing"
like "$out" 'products: bench_ceiling has not been built' "is named under the table"
like "$out" '\| 15\+30 \| fp32 \| omni-dpo \| [0-9,]+ \([0-9,]+-[0-9,]+\) \| - \|' "and there is no share of a ceiling"
done_testing
