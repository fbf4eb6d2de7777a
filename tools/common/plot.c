/* plot.c -- see plot.h. gnuplot reads the script from an unlinked temporary file rather than a pipe, so that its early
 * death is an exit status here and not a SIGPIPE. */
#include "common/plot.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/atomic.h"
#include "io/stream.h"

extern char **environ;

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

enum od_status
od_plot_check(const char *path, struct od_error *err)
{
	if (path == NULL || ends_with(path, ".svg") || ends_with(path, ".png") || ends_with(path, ".gp"))
		return OD_OK;
	return od_fail(err, OD_EUSAGE, "cannot plot into '%s': the name must end in .svg, .png or .gp", path);
}

/* The script alone; the picture it will draw lies beside it. */
static enum od_status
write_script(const struct od_plot *p, const char *path, struct od_error *err)
{
	struct od_buf script = OD_BUF_INIT, picture = OD_BUF_INIT;
	enum od_status st;

	od_buf_append(&picture, path, strlen(path) - strlen("gp"));
	od_buf_str(&picture, "svg");
	if (od_buf_ok(&picture))
		od_plot_script(&script, p, OD_PLOT_SVG, picture.data);
	if (!od_buf_ok(&picture) || !od_buf_ok(&script))
		st = od_fail_nomem(err, "a plot script", script.len);
	else
		st = od_atomic_write(path, script.data, script.len, err);
	od_buf_release(&script);
	od_buf_release(&picture);
	return st;
}

/* Starts gnuplot on open files and waits. *status as waitpid(2) gives it; returns an errno value or 0. */
static int
spawn_gnuplot(FILE *script, FILE *messages, int *status)
{
	char name[] = "gnuplot", defaults[] = "-d";     /* -d: without the user's start-up file */
	char *argv[] = { name, defaults, NULL };
	posix_spawn_file_actions_t files;
	pid_t pid, done;
	int sys = posix_spawn_file_actions_init(&files);

	if (sys != 0)
		return sys;
	sys = posix_spawn_file_actions_adddup2(&files, fileno(script), STDIN_FILENO);
	if (sys == 0)
		sys = posix_spawn_file_actions_adddup2(&files, fileno(messages), STDOUT_FILENO);
	if (sys == 0)
		sys = posix_spawn_file_actions_adddup2(&files, fileno(messages), STDERR_FILENO);
	if (sys == 0)
		sys = posix_spawnp(&pid, name, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (sys != 0)
		return sys;
	do
		done = waitpid(pid, status, 0);
	while (done < 0 && errno == EINTR);
	return done < 0 ? errno : 0;
}

/* The line of gnuplot's output that says what went wrong; the others quote the script and point into it. */
static void
first_message(FILE *messages, char *text, size_t size)
{
	char line[512];

	text[0] = '\0';
	rewind(messages);
	while (fgets(line, sizeof line, messages) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0' || strspn(line, " ^\t") == strlen(line))
			continue;
		if (text[0] == '\0' || strstr(line, "line ") != NULL)
			snprintf(text, size, "%s", line);
	}
}

/* Runs gnuplot on the script; 'picture' is the file it writes. */
static enum od_status
run_gnuplot(const struct od_buf *script, const char *picture, const char *path, struct od_error *err)
{
	FILE *in = tmpfile(), *messages = tmpfile();
	enum od_status st = OD_OK;
	struct stat info;
	char why[512];
	int sys, status = 0;

	if (in == NULL || messages == NULL || fwrite(script->data, 1, script->len, in) != script->len || fflush(in) != 0) {
		st = od_fail_sys(err, errno, "cannot draw '%s': cannot write a temporary file", path);
		goto out;
	}
	rewind(in);
	sys = spawn_gnuplot(in, messages, &status);
	if (sys == ENOENT || (sys == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127)) {
		st = od_fail(err, OD_ESUPPORT, "cannot draw '%s': the program gnuplot is not installed; --plot FILE.gp "
			"writes the script alone", path);
	} else if (sys != 0) {
		st = od_fail_sys(err, sys, "cannot draw '%s': cannot run gnuplot", path);
	} else if (status != 0 || stat(picture, &info) < 0 || info.st_size == 0) {
		first_message(messages, why, sizeof why);
		st = od_fail(err, OD_ESYS, "cannot draw '%s': gnuplot failed: %s", path,
			why[0] != '\0' ? why : "it wrote nothing");
	}
out:
	if (in != NULL)
		fclose(in);
	if (messages != NULL)
		fclose(messages);
	return st;
}

enum od_status
od_plot_write(const struct od_plot *p, const char *path, struct od_error *err)
{
	struct od_atomic_file file = OD_ATOMIC_FILE_INIT;
	struct od_buf script = OD_BUF_INIT;
	enum od_status st = od_plot_check(path, err);

	if (st != OD_OK)
		return st;
	if (ends_with(path, ".gp"))
		return write_script(p, path, err);
	st = od_atomic_file_begin(&file, path, err);
	if (st != OD_OK)
		return st;
	od_plot_script(&script, p, ends_with(path, ".svg") ? OD_PLOT_SVG : OD_PLOT_PNG, file.temp);
	if (!od_buf_ok(&script))
		st = od_fail_nomem(err, "a plot script", script.len);
	if (st == OD_OK)
		st = run_gnuplot(&script, file.temp, path, err);
	if (st == OD_OK)
		st = od_atomic_file_commit(&file, err);
	od_atomic_file_release(&file);
	od_buf_release(&script);
	return st;
}
