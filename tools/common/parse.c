/* parse.c -- the command line over option tables.
 *
 * argv is walked twice: first to find --help, --version and --config without storing anything (so that help shows the
 * defaults), then to store. Between the two the file of --config is applied, which the command line so overrides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/options.h"

struct parser {
	const struct od_opt_set *set;
	struct od_common_options *common;
	bool store;                      /* second walk */
	int argc, i;
	char **argv;
	const char **operands;
	size_t n_operands;
};

static enum od_status
fail_unknown(const struct parser *p, const char *arg, const char *name, struct od_error *err)
{
	const char *near = name ? od_opt_nearest(p->set, name) : NULL;

	return od_fail(err, OD_EUSAGE, "unknown option '%s'%s%s%s (see %s --help)", arg, near ? "; did you mean '--" : "",
		near ? near : "", near ? "'?" : "", od_cli_tool->name);
}

static enum od_status
take_value(struct parser *p, const struct od_opt *opt, const char *text, struct od_error *err)
{
	if (!p->store) {
		if (strcmp(opt->name, "help") == 0)
			p->common->help = true;
		else if (strcmp(opt->name, "version") == 0)
			p->common->version = true;
		else if (strcmp(opt->name, "config") == 0)
			p->common->config = text;
		return OD_OK;
	}
	return od_opt_set(p->set, opt->name, text, err);
}

/* The next argument as the value of opt. */
static enum od_status
take_next(struct parser *p, const struct od_opt *opt, struct od_error *err)
{
	if (p->i + 1 >= p->argc)
		return od_fail(err, OD_EUSAGE, "option '--%s' needs a value (%s)", opt->name, opt->arg ? opt->arg : "VALUE");
	return take_value(p, opt, p->argv[++p->i], err);
}

static enum od_status
take_long(struct parser *p, const char *arg, struct od_error *err)
{
	const char *name = arg + 2, *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	struct od_opt_ref r;
	char spelt[64];

	if (!od_opt_find(p->set, name, n, &r)) {
		snprintf(spelt, sizeof spelt, "%.*s", n < sizeof spelt ? (int)n : 0, name);
		return fail_unknown(p, arg, spelt, err);
	}
	if (!od_opt_is_flag(r.opt))
		return equals ? take_value(p, r.opt, equals + 1, err) : take_next(p, r.opt, err);
	if (equals)
		return od_fail(err, OD_EUSAGE, "option '--%s' takes no value", r.opt->name);
	return take_value(p, r.opt, "", err);
}

/* -q, -qn 5, -n5 */
static enum od_status
take_letters(struct parser *p, const char *arg, struct od_error *err)
{
	enum od_status st = OD_OK;
	struct od_opt_ref r;

	for (const char *c = arg + 1; *c && st == OD_OK; c++) {
		if (!od_opt_find_letter(p->set, *c, &r))
			return fail_unknown(p, arg, NULL, err);
		if (!od_opt_is_flag(r.opt))
			return c[1] ? take_value(p, r.opt, c + 1, err) : take_next(p, r.opt, err);
		st = take_value(p, r.opt, "", err);
	}
	return st;
}

static enum od_status
walk(struct parser *p, struct od_error *err)
{
	enum od_status st = OD_OK;
	bool operands_only = false;

	p->n_operands = 0;
	for (p->i = 1; p->i < p->argc && st == OD_OK; p->i++) {
		const char *arg = p->argv[p->i];

		if (operands_only || arg[0] != '-' || arg[1] == '\0')
			p->operands[p->n_operands++] = arg;
		else if (strcmp(arg, "--") == 0)
			operands_only = true;
		else
			st = arg[1] == '-' ? take_long(p, arg, err) : take_letters(p, arg, err);
	}
	return st;
}

static struct od_common_options *
find_common(const struct od_opt_set *set)
{
	static struct od_common_options none;

	for (size_t g = 0; g < set->n; g++)
		if (set->groups[g].opts == od_common_opts)
			return set->groups[g].base;
	return &none;
}

/* Prints what was asked for in place of running, and exits. All of it waits for the end, where a write that fails says why: one that
 * fails within printf has its reason forgotten by then. */
static void
print_and_exit(const struct od_opt_set *set, void (*print)(const struct od_opt_set *))
{
	static char all[1 << 16];
	struct od_error none = OD_ERROR_INIT;

	setvbuf(stdout, all, _IOFBF, sizeof all);
	print(set);
	exit(od_cli_end(&none, 0));
}

/* The operands live as long as the process. */
static const char **kept_operands;

static void
free_operands(void)
{
	free(kept_operands);
}

const char *const *
od_cli_parse(const struct od_opt_group *groups, size_t n_groups, int argc, char **argv, size_t *n)
{
	static const char **kept;        /* the operands live as long as argv */
	struct od_opt_set set = { groups, n_groups };
	struct parser p = { .set = &set, .common = find_common(&set), .argc = argc, .argv = argv };
	struct od_error err = OD_ERROR_INIT;
	enum od_status st;

	free(kept);
	kept = p.operands = calloc((size_t)argc + 1, sizeof *p.operands);
	st = p.operands ? walk(&p, &err) : od_fail_nomem(&err, "arguments", 0);
	if (p.common->help && (st == OD_OK || st == OD_EUSAGE))
		print_and_exit(&set, od_opt_print_help);
	if (p.common->version && (st == OD_OK || st == OD_EUSAGE))
		print_and_exit(&set, od_opt_print_version);
	if (st == OD_OK && p.common->config)
		st = od_opt_config(&set, p.common->config, &err);
	p.store = true;
	if (st == OD_OK)
		st = walk(&p, &err);
	if (st != OD_OK)
		exit(od_cli_end(&err, 0));
	if (p.common->print_config)
		print_and_exit(&set, od_opt_print_config);
	od_cli_set_quiet(p.common->quiet);
	*n = p.n_operands;
	if (!kept_operands)
		atexit(free_operands);
	kept_operands = p.operands;
	return kept_operands;
}
