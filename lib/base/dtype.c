#include "base/dtype.h"

#include <strings.h>

static const struct {
	const char *name;
	size_t size;
} types[OD_N_DTYPES] = {
	[OD_F32] = { "F32", 4 },   [OD_BF16] = { "BF16", 2 }, [OD_F16] = { "F16", 2 }, [OD_F64] = { "F64", 8 },
	[OD_I8] = { "I8", 1 },     [OD_I16] = { "I16", 2 },   [OD_I32] = { "I32", 4 }, [OD_I64] = { "I64", 8 },
	[OD_U8] = { "U8", 1 },     [OD_U16] = { "U16", 2 },   [OD_U32] = { "U32", 4 }, [OD_U64] = { "U64", 8 },
	[OD_BOOL] = { "BOOL", 1 },
};

size_t
od_dtype_size(enum od_dtype t)
{
	return types[t].size;
}

const char *
od_dtype_name(enum od_dtype t)
{
	return types[t].name;
}

int
od_dtype_parse(const char *name, enum od_dtype *out)
{
	for (int t = 0; t < OD_N_DTYPES; t++)
		if (strcasecmp(name, types[t].name) == 0) {
			*out = (enum od_dtype)t;
			return 1;
		}
	return 0;
}
