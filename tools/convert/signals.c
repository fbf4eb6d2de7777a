/* A conversion that is interrupted leaves nothing beside its output. The signals are taken by a thread of their own
 * rather than a handler: the main thread may sit in read(2) on a pipe, and removing files is nothing a handler may do. */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "convert/convert.h"
#include "io/atomic.h"

static sigset_t signals;
static char *temporary;

static void *
wait_for_signal(void *unused)
{
	struct timespec pause = { 0, 20000000 };
	int number;

	(void)unused;
	if (sigwait(&signals, &number) != 0)
		return NULL;
	/* The main thread may be adding files: a directory that is not empty yet is tried again. */
	for (int i = 0; i < 50 && od_remove_tree(temporary, NULL) != OD_OK; i++)
		nanosleep(&pause, NULL);
	signal(number, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	kill(getpid(), number);
	return NULL;
}

enum od_status
cv_remove_on_signal(const char *path, struct od_error *err)
{
	struct sigaction old;
	pthread_t thread;
	int failed;

	temporary = od_strdup(path);
	if (!temporary)
		return od_fail_nomem(err, "a path", 1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	/* nohup and background jobs of a shell ignore these; so do we then. */
	if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
		sigdelset(&signals, SIGINT);
	if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	failed = pthread_create(&thread, NULL, wait_for_signal, NULL);
	if (failed)
		return od_fail_sys(err, failed, "cannot start a thread");
	pthread_detach(thread);
	return OD_OK;
}
