#include "train/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "io/atomic.h"
#include "train/ranks.h"

/* OUT.run/step-N, malloc'd. */
static char *
step_dir(const struct od_run_options *opt, int64_t step)
{
	char name[32];

	snprintf(name, sizeof name, "step-%lld", (long long)step);
	return od_path_join(opt->dir, name);
}

/* Rank 0 has the files. */
static bool
leads(const struct od_run *r)
{
	return r->trainer->ranks->rank == 0;
}

/* Ends a piece of work of rank 0: the others learn how it went. */
static enum od_status
settle(const struct od_run *r, enum od_status st, struct od_error *err)
{
	return od_ranks_agree(r->trainer->ranks, st, err);
}

static bool
out_of_patience(const struct od_run *r)
{
	return r->opt->patience > 0 && r->state.bad_evals >= r->opt->patience;
}

enum od_status
od_run_open(struct od_run *r, struct od_error *err)
{
	const struct od_run_options *o = r->opt;
	enum od_status st = OD_OK;

	r->saved_at = od_now();
	r->stopped_early = out_of_patience(r);
	r->metrics = r->telemetry = (struct od_log){ .fd = -1, .copy = -1 };
	if (leads(r)) {
		st = od_log_open(&r->metrics, o->dir, "metrics.jsonl", r->state.metrics_lines, o->metrics, err);
		if (st == OD_OK)
			st = od_log_open(&r->telemetry, o->dir, "telemetry.jsonl", r->state.telemetry_lines, o->telemetry, err);
	}
	return settle(r, st, err);
}

void
od_run_close(struct od_run *r)
{
	od_log_close(&r->metrics, NULL);
	od_log_close(&r->telemetry, NULL);
}

static enum od_status
copy(struct od_run *r, struct od_log *log, const struct od_buf *b, struct od_error *err)
{
	char text[256];
	bool left;
	enum od_status st = od_log_copy(log, b, &left, err);

	if (left && r->warn) {
		snprintf(text, sizeof text, "the reader of '%s' has gone; '%s' goes on", log->copy_name, log->path);
		r->warn(r->ctx, text);
	}
	return st;
}

/* ---- checkpoints ----------------------------------------------------------------------------------------------- */

static enum od_status
remove_step(const struct od_run_options *opt, int64_t step, struct od_error *err)
{
	char *dir = step_dir(opt, step);
	enum od_status st = dir ? od_remove_tree(dir, err) : od_fail_nomem(err, "a path", 0);

	free(dir);
	return st;
}

/* Removes all but the newest 'keep' checkpoints and the best one. */
static enum od_status
prune(const struct od_run_options *opt, int64_t keep, int64_t best, struct od_error *err)
{
	int64_t *steps = NULL;
	size_t n = 0;
	enum od_status st = od_checkpoint_list(opt->dir, &steps, &n, err);

	for (size_t i = 0; st == OD_OK && i < n; i++)
		if ((int64_t)(n - i) > keep && !(opt->keep_best && steps[i] == best))
			st = remove_step(opt, steps[i], err);
	free(steps);
	return st;
}

static enum od_status
sync_logs(struct od_run *r, struct od_error *err)
{
	enum od_status st = leads(r) ? od_log_sync(&r->metrics, err) : OD_OK;

	if (st == OD_OK && leads(r))
		st = od_log_sync(&r->telemetry, err);
	return settle(r, st, err);
}

static enum od_status
save(struct od_run *r, struct od_error *err)
{
	char *dir = step_dir(r->opt, r->trainer->step);
	enum od_status st = settle(r, dir ? OD_OK : od_fail_nomem(err, "a path", 0), err);

	if (st == OD_OK)
		st = sync_logs(r, err);
	if (st == OD_OK) {
		r->state.step = r->trainer->step;
		r->state.metrics_lines = r->metrics.lines;
		r->state.telemetry_lines = r->telemetry.lines;
		st = od_checkpoint_save(r->trainer, &r->state, r->opt->start, dir, err);
	}
	if (st == OD_OK)
		st = settle(r, leads(r) ? prune(r->opt, r->opt->keep > 0 ? r->opt->keep : 1, r->state.best_step, err) : OD_OK,
			err);
	if (st == OD_OK)
		r->saved_step = r->trainer->step;
	r->save_failed = st != OD_OK;
	r->saved_at = od_now();
	free(dir);
	return st;
}

/* *due by rank 0's clock. */
static enum od_status
save_is_due(const struct od_run *r, bool *due, struct od_error *err)
{
	int64_t step = r->trainer->step;

	*due = step > 0 && step != r->saved_step;
	if (r->opt->save_every > 0)
		*due = *due && step % r->opt->save_every == 0;
	else
		*due = *due && od_now() - r->saved_at >= r->opt->save_seconds && step < r->trainer->schedule.total;
	return od_ranks_decide(r->trainer->ranks, due, err);
}

/* ---- held-out pairs -------------------------------------------------------------------------------------------- */

static bool
eval_is_due(const struct od_run *r)
{
	int64_t step = r->trainer->step, total = r->trainer->schedule.total;

	if (!r->held_out || r->state.evaluated == step)
		return false;
	return step == 0 || step == total || (r->opt->eval_every > 0 && step % r->opt->eval_every == 0);
}

/* *best says whether this loss is the lowest so far. The start model does not compete. */
static void
judge(struct od_run *r, double loss, bool *best)
{
	r->state.evaluated = r->trainer->step;
	*best = r->trainer->step > 0 && (r->state.best_step < 0 || loss < r->state.best_loss);
	if (r->trainer->step == 0)
		return;
	if (*best) {
		r->state.best_step = r->trainer->step;
		r->state.best_loss = loss;
		r->state.bad_evals = 0;
	} else {
		r->state.bad_evals++;
	}
	r->stopped_early = out_of_patience(r);
}

static enum od_status
evaluate(struct od_run *r, struct od_error *err)
{
	struct od_buf line = OD_BUF_INIT;
	double start = od_now();
	bool best = false;
	enum od_status st = od_trainer_evaluate(r->trainer, r->held_out, &r->last_eval, err);

	if (st == OD_OK) {
		od_metrics_eval(&line, r->trainer->step, &r->last_eval, od_now() - start);
		st = settle(r, leads(r) ? od_log_write(&r->metrics, &line, err) : OD_OK, err);
	}
	if (st == OD_OK) {
		judge(r, r->last_eval.loss, &best);
		st = settle(r, leads(r) ? copy(r, &r->metrics, &line, err) : OD_OK, err);
	}
	if (st == OD_OK) {
		if (r->evaluated && leads(r))
			r->evaluated(r->ctx, r->trainer->step, &r->last_eval);
		if (best && r->opt->keep_best)
			st = save(r, err);
	}
	od_buf_release(&line);
	return st;
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* Lines are written after the weights changed: an update that was interrupted leaves none. Between the two the state is not
 * one a run can go on from. */
static enum od_status
log_update(struct od_run *r, const struct od_step_metrics *m, struct od_buf *metrics, struct od_buf *telemetry,
	struct od_error *err)
{
	enum od_status st;

	od_metrics_step(metrics, m);
	st = od_log_write(&r->telemetry, telemetry, err);
	if (st == OD_OK)
		st = od_log_write(&r->metrics, metrics, err);
	r->torn = st != OD_OK;
	if (st == OD_OK)
		st = copy(r, &r->telemetry, telemetry, err);
	if (st == OD_OK)
		st = copy(r, &r->metrics, metrics, err);
	if (st == OD_OK && r->progress)
		r->progress(r->ctx, m, r->trainer->schedule.total);
	return st;
}

static enum od_status
one_update(struct od_run *r, struct od_buf *metrics, struct od_buf *telemetry, struct od_error *err)
{
	struct od_step_metrics m;
	double start = od_now();
	enum od_status st;

	od_buf_clear(metrics);
	od_buf_clear(telemetry);
	st = od_trainer_gradient(r->trainer, &m, leads(r) ? telemetry : NULL, err);
	if (st == OD_OK)
		st = od_trainer_update(r->trainer, &m, err);
	if (st != OD_OK)
		return st;
	m.seconds = od_now() - start;
	m.peak_flops = r->opt->peak_flops;
	return settle(r, leads(r) ? log_update(r, &m, metrics, telemetry, err) : OD_OK, err);
}

/* Evaluation and checkpoint at the present step, where due. */
static enum od_status
between_updates(struct od_run *r, struct od_error *err)
{
	bool due = false;
	enum od_status st = eval_is_due(r) ? evaluate(r, err) : OD_OK;

	if (st == OD_OK)
		st = save_is_due(r, &due, err);
	return st == OD_OK && due ? save(r, err) : st;
}

/* Before giving up: the last good state, unless it is on disk already or saving is what failed. Rank 0 knows. */
static void
save_last(struct od_run *r)
{
	bool wanted = !r->torn && !r->trainer->broken && !r->save_failed && r->trainer->step > 0 &&
		r->saved_step != r->trainer->step;

	if (r->trainer->ranks->lost || od_ranks_decide(r->trainer->ranks, &wanted, NULL) != OD_OK || !wanted)
		return;
	if (save(r, NULL) != OD_OK && r->warn)
		r->warn(r->ctx, "the last state could not be saved");
}

enum od_status
od_run_train(struct od_run *r, struct od_error *err)
{
	struct od_buf metrics = OD_BUF_INIT, telemetry = OD_BUF_INIT;
	enum od_status st = between_updates(r, err);

	while (st == OD_OK && !r->stopped_early && r->trainer->step < r->trainer->schedule.total) {
		st = one_update(r, &metrics, &telemetry, err);
		if (st == OD_OK)
			st = between_updates(r, err);
	}
	if (st != OD_OK)
		save_last(r);
	od_buf_release(&metrics);
	od_buf_release(&telemetry);
	return st;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

static enum od_status
write_about(const char *dir, const json_t *about, struct od_error *err)
{
	char *path = od_path_join(dir, "od-train.json");
	/* for people: 15 digits give back any decimal that was typed, 0.7 and not 0.69999999999999996 */
	char *text = json_dumps(about, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	enum od_status st = path && text ? od_atomic_write(path, text, strlen(text), err)
		: od_fail_nomem(err, "od-train.json", 0);

	free(path);
	free(text);
	return st;
}

/* With keep_best the weights of the best checkpoint take the place of the last ones. */
static enum od_status
take_best(struct od_run *r, const char *dir, struct od_error *err)
{
	char *best = step_dir(r->opt, r->state.best_step);
	char *from = best ? od_path_join(best, "model.safetensors") : NULL, *to = od_path_join(dir, "model.safetensors");
	enum od_status st = from && to ? od_copy_file(from, to, err) : od_fail_nomem(err, "a path", 0);

	free(best);
	free(from);
	free(to);
	return st;
}

/* What rank 0 adds to the model before OUT may appear. */
static enum od_status
complete_out(struct od_run *r, struct od_atomic_dir *tmp, bool best, const json_t *about, struct od_error *err)
{
	enum od_status st = best ? take_best(r, tmp->temp, err) : OD_OK;

	if (st == OD_OK)
		st = write_about(tmp->temp, about, err);
	return st == OD_OK ? od_atomic_dir_commit(tmp, r->opt->force, err) : st;
}

static enum od_status
write_out(struct od_run *r, bool best, const json_t *about, struct od_error *err)
{
	struct od_atomic_dir tmp = OD_ATOMIC_DIR_INIT;
	enum od_status st = settle(r, leads(r) ? od_atomic_dir_begin(&tmp, r->opt->out, err) : OD_OK, err);

	if (st == OD_OK)
		st = od_checkpoint_write_model(r->trainer, r->opt->start, tmp.temp, err);
	if (st == OD_OK)
		st = settle(r, leads(r) ? complete_out(r, &tmp, best, about, err) : OD_OK, err);
	od_atomic_dir_release(&tmp);
	return st;
}

enum od_status
od_run_finish(struct od_run *r, json_t *about, struct od_error *err)
{
	bool best = r->opt->keep_best && r->state.best_step >= 0 && r->state.best_step != r->trainer->step;
	enum od_status st;

	if (leads(r))
		json_object_set_new(about, "result_step", json_integer(best ? r->state.best_step : r->trainer->step));
	st = sync_logs(r, err);
	if (st == OD_OK)
		st = write_out(r, best, about, err);
	if (st != OD_OK) {
		od_error_prefix(err, "cannot write the result '%s': ", r->opt->out);
		save_last(r);
		return st;
	}
	return settle(r, leads(r) ? od_run_sweep(r->opt, err) : OD_OK, err);
}

static enum od_status
remove_file(const char *dir, const char *name, struct od_error *err)
{
	char *path = od_path_join(dir, name);
	enum od_status st = path ? od_remove_tree(path, err) : od_fail_nomem(err, "a path", 0);

	free(path);
	return st;
}

enum od_status
od_run_sweep(const struct od_run_options *opt, struct od_error *err)
{
	enum od_status st = remove_file(opt->dir, "spool.pairs", err);

	if (st == OD_OK)
		st = remove_file(opt->dir, "eval.pairs", err);
	/* Checkpoints nobody asked for were there for a resume alone. */
	if (st == OD_OK && opt->save_every <= 0)
		st = prune(opt, 0, -1, err);
	return st;
}
