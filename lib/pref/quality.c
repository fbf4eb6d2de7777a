#include "pref/quality.h"

#include <math.h>

/* Below this standard deviation w_qual weighs all pairs alike. */
#define FLAT_WEIGHT 0.01
/* Above this share of good chosen responses the second condition of the gate says nothing. */
#define NEARLY_ALL 0.98
#define ENOUGH 10              /* chosen scores, to say that of them */

void
od_quality_add(struct od_quality *q, const struct od_objective *o, double score_chosen, double score_rejected)
{
	double gap = score_chosen - score_rejected;

	if (!isfinite(gap))
		return;
	od_moments_add(&q->w_qual, od_sigmoid(o->eta * gap));
	od_moments_add(&q->gap, gap);
	od_moments_add(&q->chosen, score_chosen);
	od_moments_add(&q->rejected, score_rejected);
	q->good += score_chosen >= o->tau_good;
}

bool
od_quality_warning(const struct od_quality *q, const struct od_objective *o, int i, struct od_buf *out)
{
	double good = q->chosen.n ? (double)q->good / (double)q->chosen.n : 0;
	bool gated = o->lambda != 0 && (o->gate == OD_GATE_BOTH || o->gate == OD_GATE_II);

	if (o->kind != OD_OMNI)
		return false;
	if (o->qual && q->w_qual.n > 1 && od_moments_sd(&q->w_qual) < FLAT_WEIGHT && i-- == 0) {
		od_buf_printf(out, "w_qual is nearly constant (mean %.3f, deviation %.2g): score margins of %.3g on average do "
			"not fit eta %g, see od-score --scale", od_moments_mean(&q->w_qual), od_moments_sd(&q->w_qual),
			od_moments_mean(&q->gap), o->eta);
		return true;
	}
	if (gated && q->chosen.n && !q->good && i-- == 0) {
		od_buf_printf(out, "no chosen score reaches tau_good %g (highest %g): the c-NLL term never acts", o->tau_good,
			q->chosen.max);
		return true;
	}
	if (gated && q->chosen.n >= ENOUGH && good >= NEARLY_ALL && i-- == 0) {
		od_buf_printf(out, "nearly all chosen scores (%.1f %%) reach tau_good %g: it does not tell good responses from "
			"others", 100 * good, o->tau_good);
		return true;
	}
	return false;
}
