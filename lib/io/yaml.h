/* yaml.h -- a YAML file as the JSON value it stands for: the configurations that publishers of benchmarks write.
 *
 * One document, by libyaml. Plain scalars follow the core schema of YAML 1.2: null and ~ and nothing at all, true and false
 * (also True, TRUE, ...), decimal integers and finite decimal numbers; all other scalars, and all that are quoted or in block
 * style, are texts. Keys are texts. An alias is its anchor's value. Tags are not looked at.
 *
 * OD_EFORMAT with file and line for what is malformed, for a second document, a key that is there twice or no scalar, a text
 * with a NUL, more than 64 levels, and more values than 100,000 (aliases count as what they stand for).
 */
#ifndef OD_IO_YAML_H
#define OD_IO_YAML_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

/* *out is a new reference. Any source that stream.h opens, at most 1 MiB. */
OD_MUST_CHECK enum od_status od_yaml_read(json_t **out, const char *name, struct od_error *err);

/* The same over n bytes in memory. */
OD_MUST_CHECK enum od_status od_yaml_parse(json_t **out, const char *text, size_t n, const char *name, struct od_error *err);

#endif
