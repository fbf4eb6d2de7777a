/* unicode.h -- the little of Unicode the tokenizers need: UTF-8, white space, normal forms. */
#ifndef OD_TEXT_UNICODE_H
#define OD_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Bytes of the sequence that starts with byte b of valid UTF-8. */
static inline size_t
od_utf8_len(unsigned char b)
{
	return b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
}

/* Length of the valid sequence at s (n bytes left), its code point in *cp; 0 when there is none. Surrogates,
 * overlong forms and values above 0x10ffff are invalid. */
size_t od_utf8_decode(const char *s, size_t n, uint32_t *cp);

/* Writes the 1 to 4 bytes of a code point. */
size_t od_utf8_encode(uint32_t cp, char out[4]);

/* n, or the offset of the first byte that is not part of valid UTF-8. */
size_t od_utf8_check(const char *s, size_t n);

/* White space as Python's str.strip() and Unicode see it (strip's includes the separators 0x1c to 0x1f). */
bool od_is_space(uint32_t cp);
bool od_is_strip_space(uint32_t cp);

/* Bytes of [s, s+n) without leading and trailing strip space: start in *from, length returned. */
size_t od_utf8_strip(const char *s, size_t n, size_t *from);

enum od_normal_form { OD_NFC, OD_NFD, OD_NFKC, OD_NFKD };

/* Appends the normal form of valid UTF-8 to out. */
OD_MUST_CHECK enum od_status od_utf8_normalize(enum od_normal_form form, const char *s, size_t n,
	struct od_buf *out, struct od_error *err);

/* Appends Unicode's NFKC_Casefold of valid UTF-8: compatibility forms composed, case folded, characters that are ignorable by
 * default (soft hyphens, joiners) left out. Texts equal but for these become equal. */
OD_MUST_CHECK enum od_status od_utf8_casefold(const char *s, size_t n, struct od_buf *out, struct od_error *err);

/* The visible character that stands for each byte in byte-level vocabularies: printable Latin-1 for itself,
 * the rest U+0100 onwards in order. */
uint32_t od_byte_letter(unsigned char b);
int od_letter_byte(uint32_t cp);           /* the byte, or -1 when cp stands for none */

/* Appends n bytes as byte letters. */
void od_byte_letters(struct od_buf *out, const char *s, size_t n);

#endif
