#!/usr/bin/env bash
# od-score over real UltraFeedback pairs: 1-10 in metadata.* becomes 1-5, nothing else changes, nothing is lost.
. tests/cli/lib.sh

D=$ORACLE/data/preference/ultrafeedback
[ -r "$D/train.jsonl.gz" ] || skip_all "no pairs in $D"
for set in train eval; do
	run_tool "$BIN/od-score" --chosen-field metadata.score_chosen --rejected-field metadata.score_rejected --scale 4/9,5/9 \
		"$D/$set.jsonl.gz"
	exit_is 0 "$set: exit 0"
	unlike "$err" warning "$set: the scale fits"
	gzip -dc "$D/$set.jsonl.gz" > "$T/in"
	# By policy only identical and empty responses are left out: count them independently.
	drops=$(jq -s '[.[] | [.chosen, .rejected] | map(gsub("^[ \t-\r]+|[ \t-\r]+$"; "")) |
		select(.[0] == .[1] or .[0] == "" or .[1] == "")] | length' "$T/in")
	is "$(wc -l < "$T/out")" $(($(wc -l < "$T/in") - drops)) "$set: all pairs but $drops identical or empty"
	is "$(jq -s 'map(select((.score_chosen - (.metadata.score_chosen * 4 + 5) / 9 | fabs) > 1e-14 or
		(.score_rejected - (.metadata.score_rejected * 4 + 5) / 9 | fabs) > 1e-14)) | length' "$T/out")" 0 "$set: scores"
	is "$(jq -c 'del(.score_chosen, .score_rejected, .score)' "$T/out" | sort | comm -23 - <(jq -c . "$T/in" | sort) | wc -l)" 0 \
		"$set: nothing else changed"
	is "$(sed 's/,"score_chosen":.*/}/' "$T/out" | sort | comm -23 - <(sort "$T/in") | wc -l)" 0 "$set: byte for byte"
done
done_testing
