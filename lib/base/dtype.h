/* dtype.h -- element types of tensors, in files and on devices. */
#ifndef OD_BASE_DTYPE_H
#define OD_BASE_DTYPE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum od_dtype {
	OD_F32, OD_BF16, OD_F16, OD_F64, OD_I8, OD_I16, OD_I32, OD_I64, OD_U8, OD_U16, OD_U32, OD_U64, OD_BOOL, OD_N_DTYPES
};

size_t od_dtype_size(enum od_dtype t);                       /* bytes of one element */
const char *od_dtype_name(enum od_dtype t);                  /* "F32", "BF16", ... as safetensors spells them */
int od_dtype_parse(const char *name, enum od_dtype *out);    /* 1 when known ("F32", "f32", "bf16"), else 0 */

#ifdef __cplusplus
}
#endif

#endif
