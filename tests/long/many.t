#!/usr/bin/env bash
# A million records, then a tenth of them: od-ref and od-train take no more memory (MANY says how many).
. tests/cli/lib.sh
MANY=${MANY:-1000000}
. tests/pipe/many.sh
done_testing
