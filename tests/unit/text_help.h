/* text_help.h -- small tokenizers for tests, written inline: JSON with ' for ". Include after cmocka.h. */
#ifndef OD_TESTS_TEXT_HELP_H
#define OD_TESTS_TEXT_HELP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "text/tokenizer.h"

/* A malloc'd copy with ' as ". */
static inline char *
quoted(const char *s)
{
	char *copy = strdup(s);

	assert_non_null(copy);
	for (char *p = copy; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	return copy;
}

/* model: members of the model besides type; rest: members of the file besides model, with a leading comma, or "". */
static inline char *
tokenizer_text(const char *model, const char *rest)
{
	struct od_buf b = OD_BUF_INIT;
	char *text;

	od_buf_printf(&b, "{'model':{'type':'BPE',%s}%s}", model, rest);
	text = quoted(b.data);
	od_buf_release(&b);
	return text;
}

static inline struct od_tokenizer *
parse(const char *model, const char *rest, const char *config)
{
	char *text = tokenizer_text(model, rest), *settings = config ? quoted(config) : NULL;
	struct od_error err = OD_ERROR_INIT;
	struct od_tokenizer *t = NULL;
	enum od_status st = od_tokenizer_parse(&t, text, strlen(text), settings, settings ? strlen(settings) : 0, "t", &err);

	if (st != OD_OK)
		print_message("# %s\n", err.msg);
	assert_int_equal(st, OD_OK);
	free(text);
	free(settings);
	return t;
}

/* The pieces of a text's ids, joined by '|'. */
static inline void
pieces_are(const struct od_tokenizer *t, const char *text, bool special, const char *want)
{
	struct od_ids ids = OD_IDS_INIT;
	struct od_buf b = OD_BUF_INIT;

	assert_int_equal(od_tokenizer_encode(t, text, strlen(text), special, &ids, NULL), OD_OK);
	od_buf_str(&b, "");
	for (size_t i = 0; i < ids.n; i++) {
		if (i)
			od_buf_char(&b, '|');
		od_buf_str(&b, od_tokenizer_piece(t, ids.id[i]));
	}
	assert_string_equal(b.data, want);
	od_buf_release(&b);
	od_ids_release(&ids);
}

#endif
