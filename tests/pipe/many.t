#!/usr/bin/env bash
# Fifty thousand records, then a tenth of them: od-ref and od-train take no more memory. tests/long/many.t has a million.
. tests/cli/lib.sh
MANY=50000
. tests/pipe/many.sh
done_testing
