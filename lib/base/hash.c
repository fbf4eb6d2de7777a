#include "base/hash.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rng.h"

struct od_sha256 {
	EVP_MD_CTX *ctx;
};

enum od_status
od_sha256_begin(struct od_sha256 **out, struct od_error *err)
{
	struct od_sha256 *h = calloc(1, sizeof *h);

	if (!h)
		return od_fail_nomem(err, "a hash", sizeof *h);
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
		od_sha256_end(h, NULL);
		return od_fail(err, OD_ESUPPORT, "libcrypto offers no SHA-256");
	}
	*out = h;
	return OD_OK;
}

void
od_sha256_add(struct od_sha256 *h, const void *bytes, size_t n)
{
	EVP_DigestUpdate(h->ctx, bytes, n);
}

void
od_sha256_end(struct od_sha256 *h, char hex[OD_HASH_HEX])
{
	unsigned char d[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (!h)
		return;
	if (hex) {
		EVP_DigestFinal_ex(h->ctx, d, &n);
		for (unsigned int i = 0; i < 32; i++)
			snprintf(hex + 2 * i, 3, "%02x", d[i]);
	}
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

enum od_status
od_sha256_hex(const void *bytes, size_t n, char hex[OD_HASH_HEX], struct od_error *err)
{
	struct od_sha256 *h = NULL;
	enum od_status st = od_sha256_begin(&h, err);

	if (st == OD_OK) {
		od_sha256_add(h, bytes, n);
		od_sha256_end(h, hex);
	}
	return st;
}

uint64_t
od_hash64(const void *bytes, size_t n, uint64_t seed)
{
	const unsigned char *p = bytes;
	uint64_t h = od_rng_mix(seed ^ 0x9e3779b97f4a7c15u) + n, last = 0;
	size_t i;

	for (i = 0; i + 8 <= n; i += 8)
		h = od_rng_mix(h ^ od_get_le64(p + i)) + 0x9e3779b97f4a7c15u;
	for (; i < n; i++)
		last = last << 8 | p[i];
	return od_rng_mix(h ^ od_rng_mix(last + n));
}

enum od_status
od_sha512(const void *bytes, size_t n, unsigned char digest[OD_SHA512_BYTES], struct od_error *err)
{
	unsigned int len = 0;

	if (EVP_Digest(bytes, n, digest, &len, EVP_sha512(), NULL) != 1 || len != OD_SHA512_BYTES)
		return od_fail(err, OD_ESUPPORT, "libcrypto offers no SHA-512");
	return OD_OK;
}
