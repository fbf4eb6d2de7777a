/* hash.h -- identities of data: SHA-256 (libcrypto) for models, tokenizers and files; SHA-512 where others' seeds need it;
 * a fast 64-bit hash for sampling records by content. */
#ifndef OD_BASE_HASH_H
#define OD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OD_HASH_HEX 65            /* 64 hexadecimal digits and a NUL */

struct od_sha256;                 /* opaque running hash */

OD_MUST_CHECK enum od_status od_sha256_begin(struct od_sha256 **out, struct od_error *err);
void od_sha256_add(struct od_sha256 *h, const void *bytes, size_t n);
/* Writes the digest in lower-case hexadecimal and frees h; hex may be NULL to only free. h may be NULL. */
void od_sha256_end(struct od_sha256 *h, char hex[OD_HASH_HEX]);

/* The digest of one block of bytes. */
OD_MUST_CHECK enum od_status od_sha256_hex(const void *bytes, size_t n, char hex[OD_HASH_HEX], struct od_error *err);

/* The SHA-512 digest of one block, as bytes. */
#define OD_SHA512_BYTES 64
OD_MUST_CHECK enum od_status od_sha512(const void *bytes, size_t n, unsigned char digest[OD_SHA512_BYTES], struct od_error *err);

/* 64-bit hash of n bytes under a seed; the same on every machine. Not for secrets. */
uint64_t od_hash64(const void *bytes, size_t n, uint64_t seed);

#endif
