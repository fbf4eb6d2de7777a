/* service_help.h -- tests/fixtures/fault_server.py for a unit test: start_server and stop_server are a group's setup and teardown. */
#ifndef OD_TESTS_SERVICE_HELP_H
#define OD_TESTS_SERVICE_HELP_H

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "io/atomic.h"
#include "io/stream.h"

extern char **environ;

static char dir[200], log_path[300], url[64];
static pid_t server;

static int
start_server(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char port_path[300], *argv[] = { "python3", "tests/fixtures/fault_server.py", port_path, log_path, NULL }, *port = NULL;
	const struct timespec nap = { 0, 20000000 };
	size_t n;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/od-openai.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(port_path, sizeof(port_path), "%s/port", dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir);
	if (posix_spawnp(&server, argv[0], NULL, NULL, argv, environ))
		return -1;
	for (int i = 0; i < 1000 && !od_path_exists(port_path); i++)
		nanosleep(&nap, NULL);
	if (od_in_slurp(port_path, 100, &port, &n, NULL) != OD_OK)
		return -1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%s/v1/", port);
	free(port);
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return od_remove_tree(dir, NULL) == OD_OK ? 0 : -1;
}

#endif
