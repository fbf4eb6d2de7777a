/* help.c -- --help from the option tables, and --version. */
#include <archive.h>
#include <jansson.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "tools/common/options.h"

#define HELP_COLUMN 28
#define HELP_WIDTH 100

/* Prints words from column HELP_COLUMN on, wrapped. */
static void
print_wrapped(const char *text)
{
	int column = HELP_COLUMN;

	while (*text) {
		int n = (int)strcspn(text, " ");

		if (column > HELP_COLUMN && column + n + 1 > HELP_WIDTH) {
			printf("\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			putchar(' ');
			column++;
		}
		printf("%.*s", n, text);
		column += n;
		text += n;
		text += *text == ' ';
	}
	putchar('\n');
}

/* "help [choices] [default]" */
static void
describe(struct od_buf *b, const struct od_opt_ref *r)
{
	struct od_buf value = OD_BUF_INIT;

	od_buf_str(b, r->opt->help);
	if (r->opt->kind == OD_KIND_ENUM) {
		for (int i = 0; r->opt->choices[i]; i++)
			od_buf_printf(b, "%s%s", i ? ", " : ": ", r->opt->choices[i]);
	}
	od_opt_value_json(&value, r);
	if (od_buf_ok(&value) && !od_opt_is_flag(r->opt) && strcmp(value.data, "null") != 0) {
		bool quoted = value.data[0] == '"';

		od_buf_printf(b, " [%.*s]", (int)value.len - 2 * quoted, value.data + quoted);
	}
	od_buf_release(&value);
}

static void
print_option(const struct od_opt_ref *r)
{
	const struct od_opt *o = r->opt;
	struct od_buf b = OD_BUF_INIT;
	int n;

	if (o->letter)
		n = printf("  -%c, --%s%s%s", o->letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	else
		n = printf("      --%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	if (n > HELP_COLUMN - 2)
		printf("\n%*s", HELP_COLUMN, "");
	else
		printf("%*s", HELP_COLUMN - n, "");
	describe(&b, r);
	if (od_buf_ok(&b))
		print_wrapped(b.data);
	od_buf_release(&b);
}

void
od_opt_print_help(const struct od_opt_set *set)
{
	printf("Usage: %s %s\n%s: %s\n", od_cli_tool->name, od_cli_tool->usage, od_cli_tool->name, od_cli_tool->summary);
	for (size_t g = 0; g < set->n; g++) {
		printf("\n%s:\n", set->groups[g].title);
		for (const struct od_opt *o = set->groups[g].opts; o->kind != OD_KIND_END; o++) {
			struct od_opt_ref r = { &set->groups[g], o }, first;

			if (od_opt_find(set, o->name, strlen(o->name), &first) && first.opt == o)
				print_option(&r);
		}
	}
	if (od_cli_tool->epilog)
		printf("\n%s\n", od_cli_tool->epilog);
	printf("\nExit status: 0 done, 1 failed, 2 usage, 3 bad or truncated input, 4 done but malformed records were\n"
	       "left out or a check failed, 5 an outside service failed.\n");
}

void
od_opt_print_version(const struct od_opt_set *set)
{
	char pcre[64] = "";

	(void)set;
	pcre2_config(PCRE2_CONFIG_VERSION, pcre);
	pcre[strcspn(pcre, " ")] = '\0';
	printf("%s (omni-dpo) %s\n", od_cli_tool->name, OD_VERSION);
	printf("jansson %s, %s, pcre2 %s, utf8proc %s, %s\n", jansson_version_str(), archive_version_string(), pcre,
		utf8proc_version(), OpenSSL_version(OPENSSL_VERSION));
}
