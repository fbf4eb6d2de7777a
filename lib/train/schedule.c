#include "train/schedule.h"

#include <math.h>
#include <stddef.h>

const char *const od_decay_names[] = { "cosine", "linear", "constant", NULL };

int64_t
od_schedule_updates(int64_t n, int64_t batch, int64_t epochs)
{
	return epochs * ((n + batch - 1) / batch);
}

int64_t
od_schedule_warmup(double ratio, int64_t total)
{
	double w = ratio * (double)total;

	return (int64_t)(fabs(w - nearbyint(w)) < 1e-9 * (w + 1) ? nearbyint(w) : ceil(w));
}

double
od_schedule_lr(const struct od_schedule *s, int64_t t)
{
	double x;

	if (t < s->warmup)
		return s->lr * (double)t / (double)s->warmup;
	x = s->total > s->warmup ? (double)(t - s->warmup) / (double)(s->total - s->warmup) : 0;
	switch (s->decay) {
	case OD_DECAY_COSINE: return s->lr * (1 + cos(3.14159265358979323846 * x)) / 2;
	case OD_DECAY_LINEAR: return s->lr * (1 - x);
	default: return s->lr;
	}
}
