/* schedule.h -- how many updates a run makes and with which learning rate each of them.
 *
 * Updates are numbered t = 0 .. total-1. With W warm-up updates, update t uses lr * f(t):
 *   t < W:     f = t / W             (so the first update of a warmed-up run has rate 0, as in Hugging Face)
 *   otherwise: cosine f = (1 + cos(pi x)) / 2, linear f = 1 - x, constant f = 1, with x = (t - W) / (total - W)
 */
#ifndef OD_TRAIN_SCHEDULE_H
#define OD_TRAIN_SCHEDULE_H

#include <stdint.h>

enum od_decay { OD_DECAY_COSINE, OD_DECAY_LINEAR, OD_DECAY_CONSTANT };
extern const char *const od_decay_names[];         /* NULL-terminated, for options */

struct od_schedule {
	enum od_decay decay;
	double lr;                                 /* the peak */
	int64_t warmup, total;                     /* updates */
};

/* Updates of 'epochs' passes over n pairs in batches of at most 'batch'; the last batch of a pass may be smaller. */
int64_t od_schedule_updates(int64_t n, int64_t batch, int64_t epochs);

/* ceil(ratio * total), safe against 0.1 * 30 being a little more than 3. */
int64_t od_schedule_warmup(double ratio, int64_t total);

double od_schedule_lr(const struct od_schedule *s, int64_t t);

#endif
