/* ranks_mpi.c -- ranks over MPI. Only the thread that opened it calls MPI, on a communicator of its own, so that nothing
 * else in the process can get between. */
#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "train/ranks.h"

_Static_assert(sizeof(MPI_Request) <= sizeof ((struct od_transfer *)0)->request, "a request fits into a transfer");

struct mpi {
	struct od_ranks r;
	MPI_Comm comm;
	MPI_Request *request;                      /* [cap] */
	size_t cap;
	char how[128];
};

static enum od_status
check(struct od_ranks *r, int rc, const char *what, struct od_error *err)
{
	char text[MPI_MAX_ERROR_STRING] = "";
	int len = 0;

	if (rc == MPI_SUCCESS)
		return OD_OK;
	r->lost = true;
	MPI_Error_string(rc, text, &len);
	return od_fail(err, OD_ESYS, "the ranks lost each other (%s): %.*s", what, len, text);
}

/* n bytes in pieces that an int can count. */
#define PIECE (INT_MAX / 2)

static enum od_status
mpi_broadcast(struct od_ranks *r, int root, void *data, size_t bytes, struct od_error *err)
{
	struct mpi *m = r->ctx;
	enum od_status st = OD_OK;

	for (size_t at = 0, n; st == OD_OK && at < bytes; at += n) {
		n = bytes - at < PIECE ? bytes - at : PIECE;
		st = check(r, MPI_Bcast((char *)data + at, (int)n, MPI_BYTE, root, m->comm), "a broadcast", err);
	}
	return st;
}

static enum od_status
mpi_all_gather(struct od_ranks *r, const void *mine, size_t bytes, void *all, struct od_error *err)
{
	struct mpi *m = r->ctx;

	if (bytes > PIECE)
		return od_fail(err, OD_EUSAGE, "ranks cannot gather %zu bytes at once", bytes);
	return check(r, MPI_Allgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, m->comm), "a gathering", err);
}

static enum od_status
mpi_start(struct od_ranks *r, struct od_transfer *t, size_t n, struct od_error *err)
{
	struct mpi *m = r->ctx;
	enum od_status st = OD_OK;

	for (size_t i = 0; st == OD_OK && i < n; i++) {
		MPI_Request q;
		int rc = t[i].send ? MPI_Isend(t[i].data, (int)t[i].bytes, MPI_BYTE, t[i].peer, 0, m->comm, &q)
			: MPI_Irecv(t[i].data, (int)t[i].bytes, MPI_BYTE, t[i].peer, 0, m->comm, &q);

		st = check(r, rc, "a transfer", err);
		memcpy(&t[i].request, &q, sizeof q);
	}
	return st;
}

static enum od_status
mpi_finish(struct od_ranks *r, struct od_transfer *t, size_t n, bool wait, bool *done, struct od_error *err)
{
	struct mpi *m = r->ctx;
	int flag = 1, rc;

	*done = false;
	if (!od_grow(&m->request, &m->cap, n, sizeof *m->request)) {
		r->lost = true;
		return od_fail_nomem(err, "transfers", n * sizeof *m->request);
	}
	for (size_t i = 0; i < n; i++)
		memcpy(&m->request[i], &t[i].request, sizeof *m->request);
	rc = wait ? MPI_Waitall((int)n, m->request, MPI_STATUSES_IGNORE)
		: MPI_Testall((int)n, m->request, &flag, MPI_STATUSES_IGNORE);
	for (size_t i = 0; i < n; i++)
		memcpy(&t[i].request, &m->request[i], sizeof *m->request);
	*done = flag;
	return check(r, rc, "a transfer", err);
}

static void
mpi_close(struct od_ranks *r, int exit_code)
{
	struct mpi *m = r->ctx;

	if (r->lost)
		MPI_Abort(MPI_COMM_WORLD, exit_code ? exit_code : 1);
	if (m->comm != MPI_COMM_NULL)
		MPI_Comm_free(&m->comm);
	MPI_Finalize();
	free(m->request);
	free(m);
}

/* "Open MPI v4.1.4", the first words of what the library says of itself. */
static void
name_library(struct mpi *m)
{
	char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
	int len = 0;

	MPI_Get_library_version(text, &len);
	text[strcspn(text, ",\n")] = '\0';
	snprintf(m->how, sizeof m->how, "%.100s", text[0] ? text : "MPI");
}

static enum od_status
find_neighbours(struct mpi *m, struct od_error *err)
{
	MPI_Comm host;
	int rc = MPI_Comm_split_type(m->comm, MPI_COMM_TYPE_SHARED, m->r.rank, MPI_INFO_NULL, &host);

	if (rc == MPI_SUCCESS)
		rc = MPI_Comm_rank(host, &m->r.local_rank);
	if (rc == MPI_SUCCESS)
		rc = MPI_Comm_size(host, &m->r.local_n);
	if (rc == MPI_SUCCESS)
		rc = MPI_Comm_free(&host);
	return check(&m->r, rc, "finding the ranks of this machine", err);
}

enum od_status
od_ranks_mpi_open(struct od_ranks **out, struct od_error *err)
{
	struct mpi *m = od_calloc(1, sizeof *m);
	int provided, rc;
	enum od_status st;

	if (!m)
		return od_fail_nomem(err, "the ranks", sizeof *m);
	m->comm = MPI_COMM_NULL;
	m->r = (struct od_ranks){ .n = 1, .local_n = 1, .how = m->how, .ctx = m, .all_gather = mpi_all_gather,
		.broadcast = mpi_broadcast, .start = mpi_start, .finish = mpi_finish, .close = mpi_close };
	rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
	if (rc != MPI_SUCCESS) {
		free(m);
		return od_fail(err, OD_ESUPPORT, "MPI does not start (error %d)", rc);
	}
	rc = MPI_Comm_dup(MPI_COMM_WORLD, &m->comm);
	if (rc == MPI_SUCCESS)
		rc = MPI_Comm_set_errhandler(m->comm, MPI_ERRORS_RETURN);
	if (rc == MPI_SUCCESS)
		rc = MPI_Comm_rank(m->comm, &m->r.rank);
	if (rc == MPI_SUCCESS)
		rc = MPI_Comm_size(m->comm, &m->r.n);
	st = check(&m->r, rc, "the start", err);
	if (st == OD_OK)
		st = find_neighbours(m, err);
	name_library(m);
	*out = &m->r;
	return st;
}
