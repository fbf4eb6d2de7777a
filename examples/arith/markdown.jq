# The table in Markdown, from its rows: jq -rs --argjson order '["start", ...]'.
def fixed($d): if . == null then "" else (. * pow(10; $d) | round / pow(10; $d)) | tostring
	| if $d > 0 and (contains(".") | not) then . + "." else . end
	| . as $s | ($s | index(".")) as $at | $s + ("0" * ($d - ($s | length) + $at + 1) // "") end;
def signed($d): if . == null then "" else (if . >= 0 then "+" else "" end) + fixed($d) end;
def pm($d): (.mean | fixed($d)) + (if .se == null then "" else " ± " + (.se | fixed($d)) end);
def cells: "| " + join(" | ") + " |";

(map({key: .method, value: .}) | from_entries) as $rows
| [$order[] | $rows[.] | select(.)] as $list
| ($list[0].levels | keys) as $levels
| (["method", "lr", "pass@1", "minus DPO"] + ($levels | map("level " + .)) + ["careful steps", "tokens"] | cells),
  ([range(($levels | length) + 6)] | map("---") | cells),
  ($list[]
	| [.method, .lr, pm(3), (if .method == "dpo" or .diff == null then "" else (.diff.mean | signed(3)) + (if .diff.se == null then "" else " ± " + (.diff.se | fixed(3)) end) end)] +
	  [.levels[$levels[]] | fixed(2)] + [(.careful | fixed(2)), (.tokens | fixed(1))]
	| cells)
