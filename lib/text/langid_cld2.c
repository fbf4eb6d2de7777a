/* langid_cld2.c -- languages by the Compact Language Detector 2; see langid.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "text/cld2.h"
#include "text/langid_impl.h"
#include "text/unicode.h"

enum { MAX_TEXT = 1 << 20 };

struct cld2 {
	struct od_langid langid;                   /* first */
	struct od_buf text;
	char name[64];
};

/* langdetect's languages that the library's tables hold: all of its 55 but Somali. */
static const char *const languages[] = {
	"af", "ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gu", "he", "hi", "hr", "hu",
	"id", "it", "ja", "kn", "ko", "lt", "lv", "mk", "ml", "mr", "ne", "nl", "no", "pa", "pl", "pt", "ro", "ru", "sk", "sl", "sq",
	"sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh-cn", "zh-tw",
};

/* Where the library's code is another than langdetect's. */
static const char *const codes[][2] = {
	{ "iw", "he" }, { "nb", "no" }, { "nn", "no" }, { "zh", "zh-cn" }, { "zh-Hant", "zh-tw" }, { "un", "unknown" },
};

static const char *
name_of(const struct od_langid *l)
{
	return ((const struct cld2 *)l)->name;
}

static int
knows(const struct od_langid *l, const char *name)
{
	(void)l;
	for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
		if (strcmp(languages[i], name) == 0)
			return 1;
	return 0;
}

static const char *
usual_code(const char *code)
{
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (strcmp(codes[i][0], code) == 0)
			return codes[i][1];
	return code;
}

/* What the library does not take for text: controls and code points that are no characters. */
static bool
is_text(uint32_t cp)
{
	return (cp >= 0x20 && cp < 0x7f) || cp == '\t' || cp == '\n' || cp == '\r' ||
		(cp >= 0xa0 && (cp & 0xfffe) != 0xfffe && !(cp >= 0xfdd0 && cp <= 0xfdef));
}

/* out := the text as far as it counts, spaces for what is no text. */
static void
copy_text(struct od_buf *out, const char *s, size_t n)
{
	uint32_t cp;

	od_buf_clear(out);
	for (size_t i = 0, k; i < n && out->len < MAX_TEXT && (k = od_utf8_decode(s + i, n - i, &cp)) > 0; i += k)
		if (is_text(cp))
			od_buf_append(out, s + i, k);
		else
			od_buf_char(out, ' ');
}

static enum od_status
detect(struct od_langid *l, const char *text, size_t n, const char **name, double *prob, struct od_error *err)
{
	struct cld2 *c = (struct cld2 *)l;
	const char *code;
	int percent = 0, letters = 0;

	copy_text(&c->text, text, n);
	if (!od_buf_ok(&c->text))
		return od_fail_nomem(err, "a text", n);
	if (c->text.len == 0)
		return OD_OK;
	code = od_cld2_detect(c->text.data, (int)c->text.len, &percent, &letters);
	if (letters == 0)
		return OD_OK;
	*name = usual_code(code);
	if (prob != NULL)
		*prob = percent / 100.0;
	return OD_OK;
}

static void
close_cld2(struct od_langid *l)
{
	od_buf_release(&((struct cld2 *)l)->text);
	free(l);
}

static const struct od_langid_way way = { name_of, knows, detect, close_cld2 };

enum od_status
od_langid_cld2(struct od_langid **out, struct od_error *err)
{
	struct cld2 *c = NULL;
	enum od_status st = od_alloc(&c, 1, sizeof *c, "a language detector", err);

	if (st != OD_OK)
		return st;
	c->langid.way = &way;
	snprintf(c->name, sizeof c->name, "CLD2 %s", od_cld2_version());
	*out = &c->langid;
	return OD_OK;
}
