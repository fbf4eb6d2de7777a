/* fuzz_yaml.c -- hostile YAML: what is read is a JSON value that can be written, of bounded size. */
#include <stdint.h>
#include <stdlib.h>

#include "io/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *value = NULL;
	char *text;

	if (od_yaml_parse(&value, (const char *)data, size, "y", NULL) != OD_OK) {
		if (value != NULL)
			abort();
		return 0;
	}
	text = json_dumps(value, JSON_ENCODE_ANY);
	if (text == NULL)
		abort();
	free(text);
	json_decref(value);
	return 0;
}
