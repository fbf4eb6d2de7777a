#!/usr/bin/env bash
# The commands in the EXAMPLES of every page run as printed: lines `$ command`, continued by `> `. They run one after the
# other in a folder that has what the examples name: model/ (a tiny chat model), prm/ (a process reward model), pairs.jsonl,
# eval.jsonl, model.gguf.
. tests/cli/lib.sh

root=$PWD
mkdir "$T/base"
python3 tests/fixtures/make_tokenizer.py "$T/base/model" 320 --template chatml >/dev/null &&
    python3 tests/fixtures/make_model.py "$T/base/model" --vocab 320 --positions 2048 >/dev/null ||
    { tap_result 1 "fixtures"; done_testing; }
python3 tests/fixtures/make_tokenizer.py "$T/base/prm" 320 --template chatml --special '<extra_0>' >/dev/null &&
    python3 tests/fixtures/make_model.py "$T/base/prm" --family qwen2 --head prm --vocab 320 --positions 2048 >/dev/null ||
    tap_result 1 "a reward model"
"$BIN/od-convert" -q "$T/base/model" "$T/base/model.gguf" || tap_result 1 "a GGUF file to read"
head -n 24 examples/pairs.jsonl >"$T/base/pairs.jsonl"
head -n 8 examples/pairs-eval.jsonl >"$T/base/eval.jsonl"

commands() { # PAGE
    sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE ALSO/p' "$1" |
        sed -nE 's/^(\.Dl )?\$ (.*)/\2/p; s/^> (.*)/\1/p' | sed 's/\\e/\\/g; s/\\&//g'
}

for page in man/*.[157]; do
    name=$(basename "$page")
    commands "$page" >"$T/script"
    case $page in
    *.1) ok "$name has examples" test -s "$T/script" ;;
    *) [ -s "$T/script" ] || continue ;;
    esac
    rm -rf "$T/work"
    cp -r "$T/base" "$T/work"
    rc=0
    (cd "$T/work" && PATH=$(cd "$root" && cd "$BIN" && pwd):$PATH timeout 120 bash -euo pipefail "$T/script") \
        >"$T/out" 2>"$T/err" </dev/null || rc=$?
    is "$rc" 0 "$name: its examples run" || { sed 's/^/# | /' "$T/script"; tail -n 5 "$T/err" | sed 's/^/# ! /'; } >&2
done
done_testing
