/* fuzz_gguf.c -- hostile GGUF files. Every tensor that an accepted file hands out is dequantised, every kind of metadata
 * is asked for. */
#include <stdint.h>
#include <stdlib.h>

#include "io/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void
read_metadata(const struct od_gguf *g)
{
	static const char *const keys[] = { "general.alignment", "general.architecture", "a", "b", "c", "d", "e", "f" };
	struct od_gguf_string s, *strings;
	int64_t i, *ints;
	float *floats;
	double d;
	size_t n;

	for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
		if (od_gguf_int(g, keys[k], &i, NULL) == OD_OK && od_gguf_number(g, keys[k], &d, NULL) != OD_OK)
			abort();
		if (od_gguf_text(g, keys[k], &s, NULL) == OD_OK)
			for (size_t j = 0; j < s.n; j++)
				sink ^= (unsigned char)s.s[j];
		if (od_gguf_texts(g, keys[k], &strings, &n, NULL) == OD_OK) {
			for (size_t j = 0; j < n; j++)
				sink ^= strings[j].n ? (unsigned char)strings[j].s[strings[j].n - 1] : 0;
			free(strings);
		}
		if (od_gguf_ints(g, keys[k], &ints, &n, NULL) == OD_OK)
			free(ints);
		if (od_gguf_floats(g, keys[k], &floats, &n, NULL) == OD_OK)
			free(floats);
	}
}

static void
read_tensors(const struct od_gguf *g)
{
	for (size_t i = 0; i < od_gguf_count(g); i++) {
		const struct od_gguf_tensor *t = od_gguf_at(g, i);
		float *values = malloc((size_t)t->n_elements * sizeof *values);

		if (values) {
			od_gguf_to_f32(t, values);
			sink ^= (unsigned char)(values[t->n_elements - 1] > 0);
			free(values);
		}
		if (od_gguf_find(g, t->name) != t)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_gguf *g;

	if (od_gguf_memory(&g, data, size, "fuzz", &err) == OD_OK) {
		read_metadata(g);
		read_tensors(g);
		od_gguf_close(g);
	} else if (!*err.msg) {
		abort();
	}
	return 0;
}
