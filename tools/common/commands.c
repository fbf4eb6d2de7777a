/* commands.c -- see commands.h. */
#include "common/commands.h"

#include <string.h>

#include "base/buf.h"

/* As users write it: a name cannot hold hyphens in a list of C names. */
static void
append_name(struct od_buf *text, const char *name)
{
	for (; *name != '\0'; name++)
		od_buf_char(text, *name == '_' ? '-' : *name);
}

static bool
is_named(const char *given, const char *name)
{
	while (*given != '\0' && *given == (*name == '_' ? '-' : *name)) {
		given++;
		name++;
	}
	return *given == *name;
}

void
od_commands_list(struct od_buf *text, const struct od_command *commands, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		if (strlen(commands[i].name) > width)
			width = strlen(commands[i].name);
	od_buf_str(text, "Commands:");
	for (size_t i = 0; i < n; i++) {
		od_buf_str(text, "\n  ");
		append_name(text, commands[i].name);
		od_buf_printf(text, "%*s  %s", (int)(width - strlen(commands[i].name)), "", commands[i].summary);
	}
}

const struct od_command *
od_commands_find(const struct od_command *commands, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (is_named(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static void
join_names(struct od_buf *text, const struct od_command *commands, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		od_buf_str(text, i == 0 ? "" : ", ");
		append_name(text, commands[i].name);
	}
}

/* No sub-command in front: --help, --version and wrong options are answered as by any tool. */
static int
without_command(const struct od_tool *family, const struct od_command *commands, size_t n, int argc, char **argv)
{
	struct od_common_options common = OD_COMMON_OPTIONS_INIT;
	struct od_opt_group groups[] = { { "General", od_common_opts, &common, NULL } };
	struct od_error err = OD_ERROR_INIT;
	struct od_buf list = OD_BUF_INIT, names = OD_BUF_INIT;
	struct od_tool tool = *family;
	size_t n_operands;
	int rc;

	od_commands_list(&list, commands, n);
	if (family->epilog != NULL)
		od_buf_printf(&list, "\n\n%s", family->epilog);
	tool.epilog = od_buf_ok(&list) ? list.data : family->epilog;
	od_cli_begin(&tool, &common);
	od_cli_parse(groups, 1, argc, argv, &n_operands);
	join_names(&names, commands, n);
	od_fail(&err, OD_EUSAGE, "missing command: one of %s", od_buf_ok(&names) ? names.data : "those of --help");
	rc = od_cli_end(&err, 0);
	od_buf_release(&list);
	od_buf_release(&names);
	return rc;
}

int
od_commands_main(const struct od_tool *family, const struct od_command *commands, size_t n, int argc, char **argv)
{
	struct od_common_options common = OD_COMMON_OPTIONS_INIT;
	struct od_error err = OD_ERROR_INIT;
	struct od_buf names = OD_BUF_INIT;
	const struct od_command *command;
	int rc;

	if (argc < 2 || argv[1][0] == '-')
		return without_command(family, commands, n, argc, argv);
	command = od_commands_find(commands, n, argv[1]);
	if (command)
		return command->run(argc - 1, argv + 1);
	od_cli_begin(family, &common);
	join_names(&names, commands, n);
	od_fail(&err, OD_EUSAGE, "unknown command '%s': not one of %s", argv[1],
		od_buf_ok(&names) ? names.data : "those of --help");
	rc = od_cli_end(&err, 0);
	od_buf_release(&names);
	return rc;
}
