#include <math.h>

#include "base/buf.h"
#include "base/num.h"
#include "score/score.h"

/* Below this standard deviation w_qual weighs all pairs alike. */
#define FLAT_WEIGHT 0.01
/* Above this share of good chosen responses the second condition of the gate says nothing. */
#define NEARLY_ALL 0.98

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

static void
warn_scale(const struct score_summary *s, const struct score_options *o)
{
	double deviation = s->written > 1 ? sqrt(s->w_m2 / (double)(s->written - 1)) : 0;
	double good = (double)s->good / (double)s->written;

	if (s->written > 1 && deviation < FLAT_WEIGHT)
		od_warn("warning: the quality weight is nearly constant (%.3f, deviation %.2g at eta %g): "
			"the scale of the scores is too small for it, see --scale", s->w_mean, deviation, o->eta);
	if (!s->good)
		od_warn("warning: no chosen score reaches tau_good %g (highest %g): the c-NLL term would never act",
			o->tau_good, s->best);
	else if (good >= NEARLY_ALL)
		od_warn("warning: nearly all chosen scores (%.1f %%) reach tau_good %g: the c-NLL term would not tell "
			"good responses from others", 100 * good, o->tau_good);
}

void
score_summary_report(const struct score_summary *s, const struct score_options *o)
{
	struct od_buf b = OD_BUF_INIT;

	od_buf_printf(&b, "%lld pairs scored", (long long)s->written);
	report_drops(s, &b);
	if (s->inverted)
		od_buf_printf(&b, ", %lld inverted%s", (long long)s->inverted,
			s->swapped ? " (swapped)" : s->drops[OD_DROP_INVERTED] ? "" : " (kept)");
	if (s->written)
		od_buf_printf(&b, "; scores %.4g to %.4g, mean gap %.4g, mean w_qual %.3f", s->low, s->high,
			s->gap_mean, s->w_mean);
	if (od_buf_ok(&b))
		od_note("%s", b.data);
	od_buf_release(&b);
	if (s->written)
		warn_scale(s, o);
}
