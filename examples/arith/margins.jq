# Score margin and reward margin of held-out pairs, two columns, under a line with Spearman's rho:
# jq -rn --slurpfile pairs held.jsonl --slurpfile items ITEMS (of od-eval pairs).
def mean: add / length;
def ranks: . as $x | (to_entries | sort_by(.value) | group_by(.value)) as $groups
	| reduce $groups[] as $g ({at: 0, rank: [$x[] | 0]};
		(.at + ($g | length + 1) / 2) as $r | .rank = reduce $g[].key as $k (.rank; .[$k] = $r) | .at += ($g | length))
	| .rank;
def pearson($a; $b): ($a | mean) as $ma | ($b | mean) as $mb
	| ([range($a | length) | ($a[.] - $ma) * ($b[.] - $mb)] | add) /
	  (([$a[] | (. - $ma) * (. - $ma)] | add) * ([$b[] | (. - $mb) * (. - $mb)] | add) | sqrt);

($items | map(select(.id) | {key: .id, value: .margin}) | from_entries) as $reward
| [$pairs[] | select(.chosen and $reward[.id] != null) | [.score_chosen - .score_rejected, $reward[.id]]] as $xy
| "# \(pearson($xy | map(.[0]) | ranks; $xy | map(.[1]) | ranks) * 100 | round / 100)",
  ($xy[] | "\(.[0]) \(.[1])")
