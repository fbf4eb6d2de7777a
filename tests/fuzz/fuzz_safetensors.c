/* fuzz_safetensors.c -- hostile safetensors images, whole and as a stream. Every tensor that an accepted image hands out
 * is read to its last byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

static void
read_all(const struct od_safetensors *s)
{
	float values[64];

	for (size_t i = 0; i < od_safetensors_count(s); i++) {
		const struct od_tensor_view *t = od_safetensors_at(s, i);
		const unsigned char *p = t->data;

		for (size_t k = 0; k < t->n_bytes; k++)
			sink ^= p[k];
		if (t->n_elements <= 64 && od_tensor_to_f32(t, values, NULL) == OD_OK && t->n_elements)
			sink ^= (unsigned char)(values[t->n_elements - 1] > 0);
		if (!od_safetensors_find(s, t->name))
			abort();
	}
	(void)od_safetensors_metadata(s, "format");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct od_error err = OD_ERROR_INIT;
	struct od_safetensors *s;
	struct od_in *in;
	void *block;

	if (od_safetensors_memory(&s, data, size, "fuzz", &err) == OD_OK) {
		read_all(s);
		od_safetensors_close(s);
	} else if (!*err.msg) {
		abort();
	}
	if (od_in_memory(&in, data, size, "fuzz", NULL) != OD_OK)
		return 0;
	while (od_safetensors_next(in, 1 << 20, &block, &s, &err) == OD_OK) {
		read_all(s);
		od_safetensors_close(s);
		free(block);
	}
	od_in_close(in);
	return 0;
}
