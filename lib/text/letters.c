#include "text/letters.h"

#include <limits.h>
#include <unicode/ubrk.h>
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utext.h>

#include "text/unicode.h"

static enum od_status
fail_icu(UErrorCode code, const char *what, struct od_error *err)
{
	return od_fail(err, code == U_MEMORY_ALLOCATION_ERROR ? OD_ENOMEM : OD_ESUPPORT, "cannot %s: ICU says %s", what,
		u_errorName(code));
}

/* Most texts are ASCII, or nearly: only the rest is ICU's. False when a byte is not. */
static bool
lower_ascii(const char *s, size_t n, struct od_buf *out)
{
	char *to = od_buf_reserve(out, n + 1);

	if (!to)
		return true;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)s[i] >= 0x80)
			return false;
		to[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
	}
	to[n] = '\0';
	out->len = n;
	return true;
}

enum od_status
od_text_lower(const char *s, size_t n, struct od_buf *out, struct od_error *err)
{
	UErrorCode code = U_ZERO_ERROR;
	UCaseMap *map;
	int32_t need = 0;
	size_t room = n + n / 2 + 16;              /* growth beyond a half is possible only in made-up texts */

	od_buf_clear(out);
	if (n > INT_MAX / 4)
		return od_fail(err, OD_EFORMAT, "a text of %zu bytes is too long", n);
	if (lower_ascii(s, n, out))
		return od_buf_ok(out) ? OD_OK : od_fail_nomem(err, "a text", n);
	map = ucasemap_open("", 0, &code);
	do {
		code = code == U_BUFFER_OVERFLOW_ERROR ? U_ZERO_ERROR : code;
		room = (size_t)need > room ? (size_t)need : room;
		if (!od_buf_reserve(out, room + 1))
			break;
		need = ucasemap_utf8ToLower(map, out->data, (int32_t)room, s, (int32_t)n, &code);
	} while (code == U_BUFFER_OVERFLOW_ERROR);
	ucasemap_close(map);
	if (!od_buf_ok(out))
		return od_fail_nomem(err, "a text", room);
	if (U_FAILURE(code))
		return fail_icu(code, "map a text to lower case", err);
	out->len = (size_t)need;
	out->data[need] = '\0';
	return OD_OK;
}

bool
od_is_upper(uint32_t cp)
{
	return u_isUUppercase((UChar32)cp);
}

bool
od_is_lower(uint32_t cp)
{
	return u_isULowercase((UChar32)cp);
}

static bool
is_cased(const char *s, size_t n, bool (*wanted)(uint32_t), bool (*other)(uint32_t))
{
	bool any = false;
	uint32_t cp;

	for (size_t i = 0, k; i < n && (k = od_utf8_decode(s + i, n - i, &cp)); i += k) {
		if (other(cp) || u_charType((UChar32)cp) == U_TITLECASE_LETTER)
			return false;
		any = any || wanted(cp);
	}
	return any;
}

bool
od_text_is_upper(const char *s, size_t n)
{
	return is_cased(s, n, od_is_upper, od_is_lower);
}

bool
od_text_is_lower(const char *s, size_t n)
{
	return is_cased(s, n, od_is_lower, od_is_upper);
}

static bool
is_word(uint32_t cp)
{
	const uint32_t others = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;

	return u_isUAlphabetic((UChar32)cp) || (U_GET_GC_MASK((UChar32)cp) & others) || cp == 0x200c || cp == 0x200d;
}

size_t
od_count_words(const char *s, size_t n)
{
	size_t count = 0;
	bool inside = false;
	uint32_t cp;

	for (size_t i = 0, k; i < n && (k = od_utf8_decode(s + i, n - i, &cp)); i += k) {
		bool word = is_word(cp);

		count += word && !inside;
		inside = word;
	}
	return count;
}

/* Written without spaces between words. */
static bool
stands_alone(UChar32 cp)
{
	UErrorCode code = U_ZERO_ERROR;
	UScriptCode script;

	if (u_hasBinaryProperty(cp, UCHAR_IDEOGRAPHIC) || u_getIntPropertyValue(cp, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT)
		return true;
	script = uscript_getScript(cp, &code);
	return U_SUCCESS(code) && (script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA);
}

enum od_letter_kind
od_letter_kind(uint32_t cp)
{
	uint32_t category = U_GET_GC_MASK((UChar32)cp);

	if (category & U_GC_M_MASK)
		return OD_LETTER_MARK;
	if (!(category & (U_GC_L_MASK | U_GC_N_MASK)))
		return OD_LETTER_NONE;
	return cp >= 0x0e00 && stands_alone((UChar32)cp) ? OD_LETTER_ALONE : OD_LETTER_WORD;
}

uint32_t
od_compose(uint32_t a, uint32_t b)
{
	UErrorCode code = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&code);
	UChar32 c = U_SUCCESS(code) ? unorm2_composePair(nfc, (UChar32)a, (UChar32)b) : -1;

	return c < 0 ? 0 : (uint32_t)c;
}

enum od_status
od_count_sentences(const char *s, size_t n, size_t *count, struct od_error *err)
{
	UErrorCode code = U_ZERO_ERROR;
	UText *text = utext_openUTF8(NULL, s, (int64_t)n, &code);
	UBreakIterator *it = ubrk_open(UBRK_SENTENCE, "en", NULL, 0, &code);
	int32_t last = 0, next;

	*count = 0;
	ubrk_setUText(it, text, &code);
	if (U_SUCCESS(code)) {
		for (ubrk_first(it); (next = ubrk_next(it)) != UBRK_DONE; last = next) {
			size_t from;

			*count += od_utf8_strip(s + last, (size_t)(next - last), &from) > 0;
		}
	}
	ubrk_close(it);
	utext_close(text);
	return U_SUCCESS(code) ? OD_OK : fail_icu(code, "find sentences", err);
}
