/* options.h -- what the files of tools/common share about option tables; tools include cli.h. */
#ifndef OD_TOOLS_OPTIONS_H
#define OD_TOOLS_OPTIONS_H

#include "tools/common/cli.h"

struct od_opt_set {
	const struct od_opt_group *groups;
	size_t n;
};

/* One option and the group it stands in. */
struct od_opt_ref {
	const struct od_opt_group *group;
	const struct od_opt *opt;
};

extern const struct od_tool *od_cli_tool;        /* set by od_cli_begin */

/* Finds by long name (n bytes) or letter; false when there is none. */
bool od_opt_find(const struct od_opt_set *set, const char *name, size_t n, struct od_opt_ref *out);
bool od_opt_find_letter(const struct od_opt_set *set, char letter, struct od_opt_ref *out);

/* The name nearest to a misspelt one, or NULL when none is near. */
const char *od_opt_nearest(const struct od_opt_set *set, const char *name);

bool od_opt_is_flag(const struct od_opt *opt);

/* Stores a value given as text and marks the option as given; OD_EUSAGE says what would have been accepted. A flag
 * ignores the text. A name that stands in several groups (--seed, of a sample and of a training) sets all of them. */
OD_MUST_CHECK enum od_status od_opt_set(const struct od_opt_set *set, const char *name, const char *text,
	struct od_error *err);

/* Appends the value an option has now as JSON; an unset one is null. */
void od_opt_value_json(struct od_buf *out, const struct od_opt_ref *r);

/* Applies a JSON file of option names; od_error_prefix'ed with its name. Strings live until the process ends. */
OD_MUST_CHECK enum od_status od_opt_config(const struct od_opt_set *set, const char *path, struct od_error *err);

/* Print to stdout. */
void od_opt_print_help(const struct od_opt_set *set);
void od_opt_print_version(const struct od_opt_set *set);
void od_opt_print_config(const struct od_opt_set *set);

/* Messages and progress share a terminal. */
void od_cli_set_quiet(bool on);
bool od_cli_is_quiet(void);
void od_cli_print_error(const char *msg);
const char *od_progress_wipe(void);              /* what to write before a line: "" or the bytes that clear the bar */

#endif
