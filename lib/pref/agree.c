/* agree.c -- see agree.h. */
#include "pref/agree.h"

#include <stdio.h>
#include <string.h>

#define NO_TEMPLATE "ids"                  /* what rules are called when no text was rendered */

static enum od_status
adopt(struct od_agreement *a, struct od_rules *rules, struct od_error *err)
{
	struct od_rules told = *rules;
	char chat[32];

	if (!od_rules_parse(a->rules, &told, chat))
		return od_fail(err, OD_EFORMAT, "field 'ref.rules' is not understood: '%s'", a->rules);
	if (rules->tokenizer != NULL && strcmp(chat, NO_TEMPLATE) != 0) {
		if (od_chat_find(&told.chat, chat, NULL) != OD_OK)
			return od_fail(err, OD_EFORMAT, "field 'ref.rules' names a chat template that is not known: '%s'", chat);
	}
	*rules = told;
	return OD_OK;
}

static enum od_status
differ(const char *option, const char *theirs, const char *ours, struct od_error *err)
{
	return od_fail(err, OD_EMISMATCH, "the reference was made with %s %s, here it is %s", option, theirs, ours);
}

static enum od_status
differ_number(const char *option, int64_t theirs, int64_t ours, struct od_error *err)
{
	return od_fail(err, OD_EMISMATCH, "the reference was made with %s %lld, here it is %lld", option, (long long)theirs,
		(long long)ours);
}

/* Names the first option by which the text of a record differs from the rules in use. */
static enum od_status
compare(const char *text, const struct od_rules *rules, struct od_error *err)
{
	const char *chat = rules->chat != NULL ? od_chat_name(rules->chat) : NO_TEMPLATE;
	const char *date = rules->date != NULL ? rules->date : "the default";
	struct od_rules theirs;
	char name[32];

	if (!od_rules_parse(text, &theirs, name))
		return od_fail(err, OD_EFORMAT, "field 'ref.rules' is not understood: '%s'", text);
	if (strcmp(name, chat) != 0 && strcmp(name, NO_TEMPLATE) != 0 && strcmp(chat, NO_TEMPLATE) != 0)
		return differ("--chat-template", name, chat, err);
	if (theirs.header != rules->header)
		return differ("--header", od_header_names[theirs.header], od_header_names[rules->header], err);
	if (theirs.truncate != rules->truncate)
		return differ("--truncate", od_truncate_names[theirs.truncate], od_truncate_names[rules->truncate], err);
	if (theirs.max_length != rules->max_length)
		return differ_number("--max-length", theirs.max_length, rules->max_length, err);
	if (theirs.max_prompt_length != rules->max_prompt_length)
		return differ_number("--max-prompt-length", theirs.max_prompt_length, rules->max_prompt_length, err);
	if ((theirs.date == NULL) != (rules->date == NULL) || (theirs.date != NULL && strcmp(theirs.date, rules->date) != 0))
		return differ("--date", theirs.date != NULL ? theirs.date : "the default", date, err);
	return OD_OK;
}

static enum od_status
agree_rules(struct od_agreement *a, const char *text, struct od_rules *rules, struct od_error *err)
{
	bool first = !a->settled;
	enum od_status st;

	if (!first && strcmp(text, a->rules) == 0)
		return OD_OK;
	if (first)
		snprintf(a->rules, sizeof a->rules, "%s", text);
	st = first && !a->told ? adopt(a, rules, err) : compare(text, rules, err);
	a->settled = a->settled || st == OD_OK;
	return st;
}

enum od_status
od_agree(struct od_agreement *a, const struct od_ref_info *ref, struct od_rules *rules, struct od_error *err)
{
	if (ref == NULL || (ref->tokenizer[0] == '\0' && ref->rules[0] == '\0')) {
		a->without++;
		return OD_OK;
	}
	if (ref->tokenizer[0] != '\0' && rules->tokenizer != NULL &&
		strcmp(ref->tokenizer, od_tokenizer_hash(rules->tokenizer)) != 0)
		return od_fail(err, OD_EMISMATCH, "the reference was made with another tokenizer (%.12s, here it is %.12s)",
			ref->tokenizer, od_tokenizer_hash(rules->tokenizer));
	if (a->model[0] == '\0') {
		snprintf(a->model, sizeof a->model, "%s", ref->model);
		snprintf(a->numerics, sizeof a->numerics, "%s", ref->numerics);
	}
	return ref->rules[0] != '\0' ? agree_rules(a, ref->rules, rules, err) : OD_OK;
}
