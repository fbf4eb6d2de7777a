/* yaml.c -- see yaml.h. */
#include "io/yaml.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/num.h"
#include "io/stream.h"

enum { MAX_BYTES = 1 << 20, MAX_DEPTH = 64, MAX_VALUES = 100000 };

struct reading {
	const char *name;                          /* of the file, for messages */
	yaml_document_t *document;
	int values;
};

static long long
line_of(const yaml_node_t *node)
{
	return (long long)node->start_mark.line + 1;
}

/* ---- scalars ------------------------------------------------------------------------------------------------------------ */

static bool
is_one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

/* What a plain scalar is besides a text; NULL for a text. */
static json_t *
plain_value(const char *s)
{
	static const char *const null[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL }, *const no[] = { "false", "False", "FALSE", NULL };
	int64_t whole;
	double v;

	if (is_one_of(s, null))
		return json_null();
	if (is_one_of(s, yes))
		return json_true();
	if (is_one_of(s, no))
		return json_false();
	if (strspn(s, "0123456789+-.eE") != strlen(s))
		return NULL;
	if (od_num_int(s, &whole))
		return json_integer((json_int_t)whole);
	return od_num_double(s, &v) ? json_real(v) : NULL;
}

static enum od_status
scalar(struct reading *r, const yaml_node_t *node, json_t **out, struct od_error *err)
{
	const char *s = (const char *)node->data.scalar.value;
	size_t n = node->data.scalar.length;

	if (memchr(s, '\0', n) != NULL)
		return od_fail(err, OD_EFORMAT, "%s:%lld: a text with a NUL character", r->name, line_of(node));
	if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		*out = plain_value(s);
	if (*out == NULL)
		*out = json_stringn(s, n);
	return *out != NULL ? OD_OK : od_fail_nomem(err, "a text", n);
}

/* ---- nodes -------------------------------------------------------------------------------------------------------------- */

static enum od_status convert(struct reading *r, const yaml_node_t *node, int depth, json_t **out, struct od_error *err);

static enum od_status
sequence(struct reading *r, const yaml_node_t *node, int depth, json_t *out, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (yaml_node_item_t *i = node->data.sequence.items.start; st == OD_OK && i < node->data.sequence.items.top; i++) {
		json_t *value = NULL;

		st = convert(r, yaml_document_get_node(r->document, *i), depth, &value, err);
		if (st == OD_OK && json_array_append_new(out, value) != 0)
			st = od_fail_nomem(err, "a sequence", 1);
	}
	return st;
}

static enum od_status
mapping(struct reading *r, const yaml_node_t *node, int depth, json_t *out, struct od_error *err)
{
	enum od_status st = OD_OK;

	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; st == OD_OK && p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(r->document, p->key);
		const char *name = key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : NULL;
		json_t *value = NULL;

		if (name == NULL || strlen(name) != key->data.scalar.length)
			return od_fail(err, OD_EFORMAT, "%s:%lld: a key must be a text", r->name, line_of(key));
		if (json_object_get(out, name) != NULL)
			return od_fail(err, OD_EFORMAT, "%s:%lld: key '%.60s' is there twice", r->name, line_of(key), name);
		st = convert(r, yaml_document_get_node(r->document, p->value), depth, &value, err);
		if (st == OD_OK && json_object_set_new(out, name, value) != 0)
			st = od_fail_nomem(err, "a mapping", 1);
	}
	return st;
}

/* (An anchor inside itself ends at the bound of depth.) */
static enum od_status
convert(struct reading *r, const yaml_node_t *node, int depth, json_t **out, struct od_error *err)
{
	enum od_status st = OD_OK;

	*out = NULL;
	if (depth > MAX_DEPTH)
		return od_fail(err, OD_EFORMAT, "%s:%lld: more than %d levels", r->name, line_of(node), MAX_DEPTH);
	if (++r->values > MAX_VALUES)
		return od_fail(err, OD_EFORMAT, "%s:%lld: more than %d values", r->name, line_of(node), MAX_VALUES);
	if (node->type == YAML_SCALAR_NODE)
		return scalar(r, node, out, err);
	*out = node->type == YAML_SEQUENCE_NODE ? json_array() : json_object();
	if (*out == NULL)
		return od_fail_nomem(err, "a value", 1);
	st = node->type == YAML_SEQUENCE_NODE ? sequence(r, node, depth + 1, *out, err) : mapping(r, node, depth + 1, *out, err);
	if (st != OD_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return st;
}

/* ---- documents ---------------------------------------------------------------------------------------------------------- */

static enum od_status
malformed(const yaml_parser_t *p, const char *name, struct od_error *err)
{
	if (p->error == YAML_MEMORY_ERROR)
		return od_fail_nomem(err, "a YAML document", 1);
	return od_fail(err, OD_EFORMAT, "%s:%lld: invalid YAML: %s", name, (long long)p->problem_mark.line + 1,
		p->problem ? p->problem : "unreadable");
}

/* Nothing may follow the document. */
static enum od_status
need_end(yaml_parser_t *p, const char *name, struct od_error *err)
{
	yaml_document_t next;
	enum od_status st = OD_OK;

	if (!yaml_parser_load(p, &next))
		return malformed(p, name, err);
	if (yaml_document_get_root_node(&next) != NULL)
		st = od_fail(err, OD_EFORMAT, "%s:%lld: a second document", name, (long long)next.start_mark.line + 1);
	yaml_document_delete(&next);
	return st;
}

enum od_status
od_yaml_parse(json_t **out, const char *text, size_t n, const char *name, struct od_error *err)
{
	yaml_document_t document;
	yaml_parser_t p;
	struct reading r = { .name = name, .document = &document };
	enum od_status st;

	*out = NULL;
	if (!yaml_parser_initialize(&p))
		return od_fail_nomem(err, "a YAML parser", 1);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, n);
	if (!yaml_parser_load(&p, &document)) {
		st = malformed(&p, name, err);
	} else {
		if (yaml_document_get_root_node(&document) == NULL)
			st = od_fail(err, OD_EFORMAT, "%s: no YAML document", name);
		else
			st = convert(&r, yaml_document_get_root_node(&document), 0, out, err);
		yaml_document_delete(&document);
		if (st == OD_OK && (st = need_end(&p, name, err)) != OD_OK) {
			json_decref(*out);
			*out = NULL;
		}
	}
	yaml_parser_delete(&p);
	return st;
}

enum od_status
od_yaml_read(json_t **out, const char *name, struct od_error *err)
{
	char *text = NULL;
	size_t n;
	enum od_status st;

	*out = NULL;
	st = od_in_slurp(name, MAX_BYTES, &text, &n, err);
	if (st == OD_OK)
		st = od_yaml_parse(out, text, n, name, err);
	free(text);
	return st;
}
