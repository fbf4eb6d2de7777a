#include <math.h>

#include "base/buf.h"
#include "score/score.h"

static void
report_drops(const struct score_summary *s, struct od_buf *b)
{
	int64_t n = 0;

	for (int i = 1; i < OD_N_DROPS; i++)
		n += s->drops[i];
	if (!n)
		return;
	od_buf_printf(b, ", %lld left out (", (long long)n);
	for (int i = 1, some = 0; i < OD_N_DROPS; i++) {
		if (s->drops[i])
			od_buf_printf(b, "%s%lld %s", some++ ? ", " : "", (long long)s->drops[i], od_drop_names[i]);
	}
	od_buf_char(b, ')');
}

void
score_quality_warn(const struct od_quality *q, const struct od_objective *o)
{
	struct od_buf b = OD_BUF_INIT;

	for (int i = 0; od_quality_warning(q, o, i, &b); i++) {
		if (od_buf_ok(&b))
			od_warn("%s", b.data);
		od_buf_clear(&b);
	}
	od_buf_release(&b);
}

void
score_summary_report(const struct score_summary *s, const struct score_options *o)
{
	const struct od_quality *q = &s->quality;
	struct od_buf b = OD_BUF_INIT;

	od_buf_printf(&b, "%lld pairs scored", (long long)s->written);
	report_drops(s, &b);
	if (s->inverted)
		od_buf_printf(&b, ", %lld inverted%s", (long long)s->inverted,
			s->swapped ? " (swapped)" : s->drops[OD_DROP_INVERTED] ? "" : " (kept)");
	if (s->written)
		od_buf_printf(&b, "; scores %.4g to %.4g, mean gap %.4g, mean w_qual %.3f",
			fmin(q->chosen.min, q->rejected.min), fmax(q->chosen.max, q->rejected.max), q->gap.mean,
			q->w_qual.mean);
	if (od_buf_ok(&b))
		od_note("%s", b.data);
	od_buf_release(&b);
	score_quality_warn(q, &o->objective);
}
