#!/usr/bin/env bash
# Every tool and every format has a page, and mandoc has nothing to say about it.
. tests/cli/lib.sh
command -v mandoc >/dev/null || skip_all "mandoc is not installed"
for page in man/*.[157]; do
    is "$(mandoc -T lint -W warning "$page" 2>&1)" "" "$page"
done
for tool in tools/od-*.c; do
    tool=$(basename "$tool" .c)
    ok "$tool has a page" test -s "man/$tool.1"
done
# A page that another refers to exists, unless it is the system's.
for name in $(grep -hoE '^\.Xr (od-|omnidpo)[a-z]* [157]' man/*.[157] | sort -u | awk '{print $2"."$3}'); do
    ok "$name, referred to, exists" test -s "man/$name"
done
done_testing
