#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "score/score.h"

/* A block as it is compared: keys sorted, without the version. NULL: no memory. */
static char *
block_mark(const json_t *block)
{
	json_t *copy = json_copy((json_t *)block);
	char *text = NULL;

	if (copy) {
		json_object_del(copy, "version");
		text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
		json_decref(copy);
	}
	return text;
}

enum od_status
score_block_make(struct score_block *block, const char *expert, const struct od_buf *settings, double a, double b,
	const char *name, struct od_error *err)
{
	struct od_buf text = OD_BUF_INIT;
	json_t *json = NULL;

	*block = (struct score_block){ .name = name, .first = true };
	od_buf_printf(&text, "{\"expert\":\"%s\"", expert);
	od_buf_append(&text, settings->data, settings->len);
	od_buf_str(&text, ",\"scale\":[");
	od_buf_json_double(&text, a);
	od_buf_char(&text, ',');
	od_buf_json_double(&text, b);
	od_buf_str(&text, "],\"version\":\"" OD_VERSION "\"}");
	if (od_buf_ok(&text) && od_buf_ok(settings))
		json = json_loadb(text.data, text.len, 0, NULL);
	if (json) {
		block->mark = block_mark(json);
		json_decref(json);
	}
	block->text = text.data;
	return block->mark ? OD_OK : od_fail_nomem(err, "a score block", text.len);
}

void
score_block_release(struct score_block *block)
{
	free(block->text);
	free(block->mark);
	free(block->seen);
	*block = (struct score_block){ .name = NULL };
}

const json_t *
score_block_find(const json_t *record, const char *name)
{
	const json_t *block = name ? json_object_get(json_object_get(record, "scores"), name) : json_object_get(record, "score");

	return json_is_string(json_object_get(block, "expert")) ? block : NULL;
}

static enum od_status
place(const struct od_record *rec, struct od_error *err)
{
	return od_error_prefix(err, "%s:%lld: ", rec->source, (long long)rec->lineno);
}

/* All records of the stream must say the same about scores that are taken as they stand. */
static enum od_status
adopt_mark(struct score_block *b, const char *mark, struct od_error *err)
{
	bool same = b->first || (mark && b->seen ? strcmp(mark, b->seen) == 0 : !mark && !b->seen);

	if (!same)
		return od_fail(err, OD_EMISMATCH, "scores are on another scale than those before: %s after %s",
			mark ? mark : "no score block", b->seen ? b->seen : "no score block");
	if (!b->first)
		return OD_OK;
	b->first = false;
	b->seen = mark ? od_strdup(mark) : NULL;
	return mark && !b->seen ? od_fail_nomem(err, "a score block", strlen(mark)) : OD_OK;
}

enum od_status
score_block_adopt(struct score_block *b, const struct od_record *rec, bool *has_block, struct od_error *err)
{
	const json_t *block = score_block_find(rec->json, b->name);
	char *mark = block ? block_mark(block) : NULL;
	enum od_status st;

	*has_block = block != NULL;
	st = block && !mark ? od_fail_nomem(err, "a score block", 0) : adopt_mark(b, mark, err);
	free(mark);
	return st == OD_OK ? st : place(rec, err);
}

enum od_status
score_block_refuse(const struct score_block *b, const struct od_record *rec, bool any, bool *same, struct od_error *err)
{
	const json_t *block = score_block_find(rec->json, b->name);
	char *mark = block ? block_mark(block) : NULL;
	enum od_status st = OD_OK;

	*same = mark && strcmp(mark, b->mark) == 0;
	if (block && !mark)
		st = od_fail_nomem(err, "a score block", 0);
	else if (block && (any || !*same))
		st = od_fail(err, OD_EMISMATCH, "record already has scores: %s; --rescore replaces them", mark);
	free(mark);
	return st == OD_OK ? st : place(rec, err);
}
