#!/usr/bin/env bash
# examples/bench/grade.py: every row is there, a peer's verdicts are compared; a stand-in plays the checker that PyPI has.
. tests/cli/lib.sh
export PYTHONDONTWRITEBYTECODE=1
command -v python3 > /dev/null || skip_all "python3 is not installed"

cat > "$T/data" <<'END'
{"key":1,"prompt":"No commas.","instruction_id_list":["punctuation:no_comma"],"kwargs":[{}]}
{"key":2,"prompt":"A title.","instruction_id_list":["detectable_format:title"],"kwargs":[{}]}
END
printf '{"key":1,"response":"none here"}\n{"key":2,"response":"no title, either"}\n' > "$T/outputs"
printf '{"text":"It is \\\\boxed{4}.","gt":"4","dataset":"math","secs":0.5}\n{"text":"The answer is 5.","gt":"4","dataset":"math","secs":0.25}\n' > "$T/math"
mkdir -p "$T/py/lm_eval/tasks/ifeval" "$T/py/langdetect"
echo 'class DetectorFactory: seed = None' > "$T/py/langdetect/__init__.py"
echo 'raise SystemExit("lm_eval itself must not be imported")' | tee "$T/py/lm_eval/__init__.py" > "$T/py/lm_eval/tasks/__init__.py"
touch "$T/py/lm_eval/tasks/ifeval/__init__.py"
cat > "$T/py/lm_eval/tasks/ifeval/utils.py" <<'END'
def process_results(doc, results):
    good = ["," not in results[0]] * len(doc["instruction_id_list"])
    return {"inst_level_strict_acc": good, "inst_level_loose_acc": [True]}
END
run_tool env PYTHONPATH="$T/py" examples/bench/grade.py --bin "$BIN" --reps 2 --ifeval "$T/data" "$T/outputs" --python "$(command -v python3)" \
	--math "$T/math" --answers 5
exit_is 0 "it runs"
like "$out" 'od-eval ifeval, CLD2 +2 +[0-9.]+ +[0-9]+ +[0-9.]+ [0-9.]+' "a row of ours, every run"
like "$out" 'Python: check alone +2 ' "one of the peer"
like "$out" 'verdicts of od-eval ifeval, CLD2: 3 of 4 are Python' "verdicts are compared"
like "$out" 'od-eval grade +5 ' "answers to math problems"
like "$out" 'Python: seconds in the records +5 +2\.000 ' "the records' own seconds, as often as they were repeated"
run_tool examples/bench/grade.py --bin "$BIN"
exit_is 2 "nothing to time"
run_tool examples/bench/grade.py --bin "$BIN" --ifeval "$T/math" "$T/outputs"
exit_is 1 "bad data"
like "$err" 'exit 3' "are said"
done_testing
