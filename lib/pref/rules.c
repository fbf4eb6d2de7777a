#include "pref/rules.h"

#include <stddef.h>

const char *const od_header_names[] = { "masked", "scored", NULL };
const char *const od_truncate_names[] = { "drop", "cut", "simpo", NULL };
