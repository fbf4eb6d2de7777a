#!/usr/bin/env bash
# The options a tool's --help lists, over all its sub-commands, are those its page describes: no more, no fewer.
. tests/cli/lib.sh

help_options() { # TOOL: long options of its help and that of its sub-commands
    local tool=$BIN/$1 command
    "$tool" --help >"$T/help" || return
    for command in $(sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' "$T/help"); do
        "$tool" "$command" --help >>"$T/help" || return
    done
    sed -nE 's/^ +(-[a-zA-Z], )?--([a-z0-9-]+).*/\2/p' "$T/help" | sort -u
}

page_options() { # TOOL: what begins an item of a list with .It Fl -name, also after a letter
    sed -nE 's/^\.It Fl ([a-zA-Z] , Fl )?-([a-z0-9-]+).*/\2/p; s/^\.It Fl [a-zA-Z] .* Fl -([a-z0-9-]+).*/\1/p' "man/$1.1" | sort -u
}

for page in man/*.1; do
    tool=$(basename "$page" .1)
    if [ ! -x "$BIN/$tool" ]; then
        tap_result 1 "$tool is built"
        continue
    fi
    help_options "$tool" >"$T/of-help"
    page_options "$tool" >"$T/of-page"
    ok "$tool --help lists options" test -s "$T/of-help"
    is "$(comm -23 "$T/of-help" "$T/of-page" | xargs)" "" "$tool: every option of --help is in the page"
    is "$(comm -13 "$T/of-help" "$T/of-page" | xargs)" "" "$tool: every option of the page is in --help"
done
done_testing
