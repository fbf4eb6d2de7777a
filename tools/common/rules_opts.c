#include "common/rules_opts.h"

#define T struct od_rules_options

enum { OPT_RECIPE, OPT_MAX_LENGTH, OPT_MAX_PROMPT_LENGTH, OPT_TRUNCATE, OPT_HEADER, OPT_TEMPLATE, OPT_DATE };

const struct od_opt od_rules_opts[] = {
	[OPT_RECIPE] = OD_OPT_STR(T, recipe, "recipe", "NAME", "settings of a published run for what is not given here"),
	[OPT_MAX_LENGTH] = OD_OPT_INT(T, max_length, "max-length", "N", 2, 1 << 30,
		"tokens of prompt and response together"),
	[OPT_MAX_PROMPT_LENGTH] = OD_OPT_INT(T, max_prompt_length, "max-prompt-length", "N", 1, 1 << 30,
		"tokens of the prompt"),
	[OPT_TRUNCATE] = OD_OPT_ENUM(T, truncate, "truncate", "HOW", od_truncate_names, "what happens to longer pairs"),
	[OPT_HEADER] = OD_OPT_ENUM(T, header, "header", "HOW", od_header_names,
		"whether the assistant header counts as response"),
	[OPT_TEMPLATE] = OD_OPT_STR(T, chat_template, "chat-template", "NAME",
		"chat template (default: the tokenizer's own, recognised)"),
	[OPT_DATE] = OD_OPT_STR(T, date, "date", "TEXT", "date that templates with one show (default: the family's)"),
	OD_OPT_END
};

enum od_status
od_rules_options_recipe(struct od_rules_options *ro, const struct od_recipe **out, struct od_error *err)
{
	const struct od_recipe *r = NULL;
	enum od_status st;

	*out = NULL;
	if (!ro->recipe)
		return OD_OK;
	st = od_recipe_find(&r, ro->recipe, err);
	if (st != OD_OK)
		return st;
	if (!(ro->given >> OPT_MAX_LENGTH & 1))
		ro->max_length = r->max_length;
	if (!(ro->given >> OPT_MAX_PROMPT_LENGTH & 1))
		ro->max_prompt_length = r->max_prompt_length;
	if (!(ro->given >> OPT_TRUNCATE & 1))
		ro->truncate = (int)r->truncate;
	if (!(ro->given >> OPT_HEADER & 1))
		ro->header = (int)r->header;
	*out = r;
	return OD_OK;
}

bool
od_rules_options_told(const struct od_rules_options *ro)
{
	return (ro->given & ~((uint64_t)1 << OPT_RECIPE)) != 0;
}

enum od_status
od_rules_options_apply(const struct od_rules_options *ro, const struct od_tokenizer *t, struct od_rules *r,
	struct od_error *err)
{
	*r = (struct od_rules){
		.tokenizer = t, .header = (enum od_header_rule)ro->header, .truncate = (enum od_truncate)ro->truncate,
		.max_length = ro->max_length, .max_prompt_length = ro->max_prompt_length, .date = ro->date
	};
	if (r->truncate == OD_TRUNCATE_SIMPO && ro->max_prompt_length >= ro->max_length)
		return od_fail(err, OD_EUSAGE, "option '--truncate simpo' needs '--max-prompt-length' (%lld) below "
			"'--max-length' (%lld)", (long long)ro->max_prompt_length, (long long)ro->max_length);
	if (!t)
		return OD_OK;
	if (ro->chat_template)
		return od_chat_find(&r->chat, ro->chat_template, err);
	return od_chat_detect(&r->chat, t, err);
}
