/* launch.c -- whether this process is one of several that a launcher started, and joining the others. */
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "train/train.h"

/* What launchers tell a process. Slurm's are there in its batch scripts too, but for the number of tasks of a step. */
static const struct {
	const char *size, *rank;
} known[] = {
	{ "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK" },    /* Open MPI */
	{ "PMI_SIZE", "PMI_RANK" },                            /* MPICH, Intel MPI, Slurm's PMI-2 */
	{ "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK" },      /* MVAPICH */
	{ "SLURM_STEP_NUM_TASKS", "SLURM_PROCID" },
	{ NULL, "PMIX_RANK" },                                 /* a launcher that leaves the size to PMIx */
};

void
train_find_launcher(struct train_launcher *l)
{
	*l = (struct train_launcher){ .n = 1 };
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		const char *size = known[i].size ? getenv(known[i].size) : NULL, *rank = getenv(known[i].rank);
		int64_t n = 0, k = 0;

		if (!rank || !od_num_int(rank, &k) || (known[i].size && (!size || !od_num_int(size, &n) || n < 1)))
			continue;
		*l = (struct train_launcher){ .n = (int)n, .rank = (int)k,
			.variable = known[i].size ? known[i].size : known[i].rank };
		return;
	}
}

/* Before MPI is there, the ranks cannot wait for each other, and a launcher kills all processes when the first of them fails:
 * the silent ones leave room for the one that says why. */
static bool follows;

static void
let_first_speak(int status, void *unused)
{
	(void)unused;
	if (follows && status != 0)
		sleep(2);
}

void
train_follow(const struct train_launcher *l)
{
	if (l->rank == 0)
		return;
	follows = true;
	od_cli_mute(true);
	on_exit(let_first_speak, NULL);
}

#ifdef OD_MPI
static enum od_status
join(const struct train_launcher *l, struct od_ranks **ranks, struct od_error *err)
{
	enum od_status st = od_ranks_mpi_open(ranks, err);

	if (st == OD_OK && l->n > 1 && (*ranks)->n != l->n)
		st = od_fail(err, OD_ESUPPORT, "the launcher started %d processes (%s), but %s finds %d: this od-train was built "
			"with another MPI than the launcher's", l->n, l->variable, (*ranks)->how, (*ranks)->n);
	return st;
}
#else
static enum od_status
join(const struct train_launcher *l, struct od_ranks **ranks, struct od_error *err)
{
	(void)ranks;
	return od_fail(err, OD_ESUPPORT, "started as one of several processes (%s), but this od-train was built without MPI: "
		"build it with MPI=1, or let each process run alone with --no-ranks", l->variable);
}
#endif

enum od_status
train_join(const struct train_launcher *l, bool wanted, struct od_ranks **ranks, struct od_error *err)
{
	enum od_status st = OD_OK;

	*ranks = od_ranks_alone();
	if (wanted && l->n != 1)
		st = join(l, ranks, err);
	if (st != OD_OK)
		return st;
	follows = false;
	od_cli_mute((*ranks)->rank != 0);
	return OD_OK;
}

/* Without a word from the user, ranks of one machine that nobody bound to processors share them. */
int
train_threads(const struct od_ranks *r, int64_t asked)
{
	int all = (int)sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	if (asked > 0 || r->local_n <= 1)
		return (int)asked;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) < all)
		return 0;
	return all > r->local_n ? all / r->local_n : 1;
}
