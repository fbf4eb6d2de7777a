/* cache.h -- answers kept on disk, so that nothing that costs time or money is asked twice.
 *
 * A cache is a directory with one file, answers.jsonl, which is only ever appended to:
 *   {"key":"<64 hexadecimal digits>","answer":<JSON>}
 * A key is the SHA-256 of the question; what belongs to it is the user's affair (openai.h). The last entry of a key counts.
 *
 * A process may be killed at any moment: a line counts once its newline is there, a torn one is closed by the next writer and
 * is nobody's answer. Several processes may read and write one cache at once: an entry is appended under a lock (flock), and a
 * question that is not known yet looks for what others have appended since. Nothing is fsynced: a machine that loses power may
 * lose the last answers, not the rest.
 *
 * In memory there are 48 bytes an entry; the answers stay on disk.
 */
#ifndef OD_IO_CACHE_H
#define OD_IO_CACHE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

struct od_cache;

/* Opens the cache of a directory, which is made when it is missing (its parent is not). */
OD_MUST_CHECK enum od_status od_cache_open(struct od_cache **out, const char *dir, struct od_error *err);

/* *answer: a new reference, or NULL when the key has none. */
OD_MUST_CHECK enum od_status od_cache_get(struct od_cache *c, const char key[OD_HASH_HEX], json_t **answer, struct od_error *err);

/* Appends an entry. */
OD_MUST_CHECK enum od_status od_cache_put(struct od_cache *c, const char key[OD_HASH_HEX], const json_t *answer,
	struct od_error *err);

int64_t od_cache_entries(const struct od_cache *c);        /* lines seen */
int64_t od_cache_damaged(const struct od_cache *c);        /* lines that were torn or are none of ours */
void od_cache_close(struct od_cache *c);                   /* NULL is fine */

#endif
