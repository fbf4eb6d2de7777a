#!/usr/bin/env bash
# The one-line conversions of Parquet files work as printed, nested messages included. Each is skipped where its
# Python module is not installed.
. tests/cli/lib.sh
command -v python3 >/dev/null || skip_all "python3 is not installed"
python3 -c 'import pyarrow.parquet' 2>/dev/null || skip_all "pyarrow is not installed"

python3 - "$T/train.parquet" "$T/wanted.jsonl" <<'EOF'
import json, sys
import pyarrow, pyarrow.parquet
rows = []
for i in range(2500):
    prompt = {"role": "user", "content": "Number %d, s'il te plaît?\n\"Yes\"" % i}
    rows.append({"prompt": prompt["content"], "prompt_id": "p%d" % i,
                 "chosen": [prompt, {"role": "assistant", "content": "It is %d. ✓" % i}],
                 "rejected": [prompt, {"role": "assistant", "content": "No."}],
                 "score_chosen": 8.5, "score_rejected": i % 8 + 0.1})
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sys.argv[1], row_group_size=700)
with open(sys.argv[2], "w") as f:
    for r in rows:
        f.write(json.dumps(r, sort_keys=True) + "\n")
EOF

for module in pyarrow pandas; do
    python3 -c "import $module" 2>/dev/null || { skip 4 "$module is not installed"; continue; }
    grep -E "^python3 -c 'import .*$module.*parquet" examples/README.md >"$T/command"
    is "$(wc -l <"$T/command")" 1 "examples/README.md has a line for $module"
    (cd "$T" && bash ./command)
    is "$(python3 -c 'import json, sys
for line in open(sys.argv[1]): print(json.dumps(json.loads(line), sort_keys=True))' "$T/pairs.jsonl" | md5sum)" \
        "$(md5sum <"$T/wanted.jsonl")" "$module: every value arrives"
    run_tool "$BIN/od-score" --scale 4/9,5/9 "$T/pairs.jsonl"
    exit_is 0 "$module: od-score takes it"
    is "$(wc -l <"$T/out")" 2500 "$module: all of it"
done
done_testing
