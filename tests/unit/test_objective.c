/* Derivatives against finite differences, tails, gates, and the identities of spec'd special cases. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "pref/objective.h"

static struct od_pair_quantities
random_pair(struct od_rng *r)
{
	struct od_pair_quantities q = { .weight = 1 };

	q.n_chosen = 1 + (double)od_rng_below(r, 400);
	q.n_rejected = 1 + (double)od_rng_below(r, 400);
	q.logp_chosen = -q.n_chosen * (0.2 + 2 * od_rng_uniform(r));
	q.logp_rejected = -q.n_rejected * (0.2 + 2 * od_rng_uniform(r));
	q.ref_chosen = q.logp_chosen + q.n_chosen * 0.5 * od_rng_normal(r);
	q.ref_rejected = q.logp_rejected + q.n_rejected * 0.5 * od_rng_normal(r);
	q.score_chosen = 1 + 4 * od_rng_uniform(r);
	q.score_rejected = 1 + 4 * od_rng_uniform(r);
	return q;
}

static struct od_objective
random_objective(struct od_rng *r, enum od_objective_kind kind)
{
	struct od_objective o = od_objective_default(kind);

	o.beta *= 0.5 + od_rng_uniform(r);
	o.gamma = 5 * od_rng_uniform(r);
	o.lambda = od_rng_uniform(r);
	o.simpo_gamma = 2 * od_rng_uniform(r);
	o.label_smoothing = od_rng_below(r, 2) ? 0.2 * od_rng_uniform(r) : 0;
	o.gate_margin = od_rng_below(r, 2) ? 0.1 * od_rng_uniform(r) : 0;
	o.qual = od_rng_below(r, 4) != 0;
	o.perf = od_rng_below(r, 4) != 0;
	o.length_norm = od_rng_below(r, 4) != 0;
	o.gate = (enum od_gate)od_rng_below(r, 4);
	if (!o.length_norm)
		o.beta = 0.05;
	return o;
}

/* d loss / d x by Richardson-extrapolated central differences. x points into q. */
static double
slope(const struct od_objective *o, struct od_pair_quantities *q, double *x)
{
	double at = *x, h = 1e-4 * fmax(1, fabs(at)), d[2];

	for (int k = 0; k < 2; k++) {
		double step = k ? h / 2 : h, up, down;

		*x = at + step;
		up = od_objective_eval(o, q).loss;
		*x = at - step;
		down = od_objective_eval(o, q).loss;
		d[k] = (up - down) / (2 * step);
	}
	*x = at;
	return (4 * d[1] - d[0]) / 3;
}

static void
derivatives_match_differences(void **state)
{
	struct od_rng r = od_rng_init(7, 0);

	(void)state;
	for (int i = 0; i < 6000; i++) {
		struct od_objective o = random_objective(&r, (enum od_objective_kind)(i % 6));
		struct od_pair_quantities q = random_pair(&r);
		struct od_pair_loss l;
		double scale;

		q.weight = 0.5 + od_rng_uniform(&r);
		/* The gate is a step: keep a difference from straddling it. */
		if (fabs(q.ref_chosen - q.logp_chosen) < 1 || fabs((q.ref_chosen - q.logp_chosen) / q.n_chosen -
			o.gate_margin) < 0.02)
			continue;
		l = od_objective_eval(&o, &q);
		assert_true(isfinite(l.loss));
		scale = fabs(l.dlogp_chosen) + fabs(l.dlogp_rejected) + 1e-6;
		if (fabs(slope(&o, &q, &q.logp_chosen) - l.dlogp_chosen) > 1e-6 * scale ||
			fabs(slope(&o, &q, &q.logp_rejected) - l.dlogp_rejected) > 1e-6 * scale)
			fail_msg("case %d, %s: derivatives %.12g %.12g, differences %.12g %.12g", i,
				od_objective_names[o.kind], l.dlogp_chosen, l.dlogp_rejected,
				slope(&o, &q, &q.logp_chosen), slope(&o, &q, &q.logp_rejected));
	}
}

static void
detached_weight_leaves_the_plain_gradient(void **state)
{
	struct od_rng r = od_rng_init(8, 0);

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct od_objective o = od_objective_default(OD_OMNI);
		struct od_pair_quantities q = random_pair(&r);
		struct od_pair_loss l;
		double want;

		o.detach_perf = true;
		o.lambda = 0;
		l = od_objective_eval(&o, &q);
		want = l.w_qual * l.w_perf * o.beta * od_sigmoid(-l.z) / q.n_rejected;
		assert_true(fabs(l.dlogp_rejected - want) <= 1e-14 * fabs(want));
	}
}

static void
tails_are_finite_and_exact(void **state)
{
	(void)state;
	assert_true(od_log_sigmoid(1000) == 0);
	assert_true(od_log_sigmoid(-1000) == -1000);
	assert_true(fabs(od_log_sigmoid(40) + exp(-40)) < 1e-30);
	assert_true(od_sigmoid(-700) > 0 && fabs(od_sigmoid(-700) / exp(-700) - 1) < 1e-12);
	assert_true(od_sigmoid(-1e308) == 0 && od_sigmoid(1e308) == 1);
	for (int k = 0; k < 6; k++) {
		struct od_objective o = od_objective_default((enum od_objective_kind)k);
		struct od_pair_quantities q = { -1e6, -1, -1, -1e6, 1, 1, 5, 1, 1 };
		struct od_pair_loss l = od_objective_eval(&o, &q);

		assert_true(isfinite(l.loss) && isfinite(l.dlogp_chosen) && isfinite(l.dlogp_rejected));
		q = (struct od_pair_quantities){ -1, -1e6, -1e6, -1, 1, 1, 5, 1, 1 };
		l = od_objective_eval(&o, &q);
		assert_true(isfinite(l.loss) && isfinite(l.dlogp_chosen) && isfinite(l.dlogp_rejected));
	}
}

static void
policy_at_the_reference_loses_weighted_ln_2(void **state)
{
	struct od_rng r = od_rng_init(9, 0);
	struct od_objective o = od_objective_default(OD_OMNI);

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct od_pair_quantities q = random_pair(&r);
		struct od_pair_loss l;

		q.ref_chosen = q.logp_chosen;
		q.ref_rejected = q.logp_rejected;
		l = od_objective_eval(&o, &q);
		assert_true(l.z == 0 && l.gate == 0 && l.margin == 0);
		assert_true(fabs(l.loss - l.w_qual * l.w_perf * log(2)) < 1e-15);
	}
}

static void
gate_takes_the_conditions_asked_for(void **state)
{
	/* fallen below the reference?, good?, gate -> open */
	static const struct { int fallen, good; enum od_gate gate; double open; } cases[] = {
		{ 1, 1, OD_GATE_BOTH, 1 }, { 1, 0, OD_GATE_BOTH, 0 }, { 0, 1, OD_GATE_BOTH, 0 }, { 0, 0, OD_GATE_BOTH, 0 },
		{ 1, 0, OD_GATE_I, 1 }, { 0, 1, OD_GATE_I, 0 }, { 0, 1, OD_GATE_II, 1 }, { 1, 0, OD_GATE_II, 0 },
		{ 0, 0, OD_GATE_NONE, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct od_objective o = od_objective_default(OD_OMNI);
		struct od_pair_quantities q = { -10, -12, cases[i].fallen ? -9 : -10, -12, 5, 6,
			cases[i].good ? 3.2 : 3.1, 1, 1 };

		o.gate = cases[i].gate;
		assert_true(od_objective_eval(&o, &q).gate == cases[i].open);
		o.gate_margin = 0.2;           /* (-9 - -10) / 5: exactly the margin is not beyond it */
		if (cases[i].gate == OD_GATE_BOTH || cases[i].gate == OD_GATE_I)
			assert_true(od_objective_eval(&o, &q).gate == 0);
	}
}

static void
needs_are_told(void **state)
{
	struct od_objective o = od_objective_default(OD_OMNI);

	(void)state;
	assert_true(od_objective_needs_scores(&o) && od_objective_needs_reference(&o));
	o.qual = false;
	assert_true(od_objective_needs_scores(&o));
	o.gate = OD_GATE_I;
	assert_false(od_objective_needs_scores(&o));
	o.gate = OD_GATE_BOTH;
	o.lambda = 0;
	assert_false(od_objective_needs_scores(&o));
	o = od_objective_default(OD_SIMPO);
	assert_false(od_objective_needs_scores(&o) || od_objective_needs_reference(&o));
	o = od_objective_default(OD_SFT);
	assert_false(od_objective_needs_rejected(&o));
	assert_true(od_objective_default(OD_DPO).beta == 0.1);
}

/* What is missing and not needed must not reach the loss: NaN would stop training. */
static void
absent_quantities_do_not_matter_where_not_needed(void **state)
{
	static const enum od_objective_kind kinds[] = { OD_DPO, OD_DPO_LN, OD_SIMPO, OD_SFT, OD_FOCAL_DPO };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct od_objective o = od_objective_default(kinds[i]);
		struct od_pair_quantities q = { -10, -12, -11, -11, 5, 6, NAN, NAN, 1 };
		struct od_pair_loss l;

		if (!od_objective_needs_reference(&o))
			q.ref_chosen = q.ref_rejected = NAN;
		if (!od_objective_needs_rejected(&o))
			q.logp_rejected = q.n_rejected = NAN;
		l = od_objective_eval(&o, &q);
		assert_true(isfinite(l.loss) && isfinite(l.dlogp_chosen) && isfinite(l.dlogp_rejected));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derivatives_match_differences),
		cmocka_unit_test(detached_weight_leaves_the_plain_gradient),
		cmocka_unit_test(tails_are_finite_and_exact),
		cmocka_unit_test(policy_at_the_reference_loses_weighted_ln_2),
		cmocka_unit_test(gate_takes_the_conditions_asked_for),
		cmocka_unit_test(needs_are_told),
		cmocka_unit_test(absent_quantities_do_not_matter_where_not_needed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
