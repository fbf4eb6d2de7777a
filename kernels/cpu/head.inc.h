/* head.inc.h -- the rows of a tile of logits. */
#define LOWEST (-3.0e38f)

static void
head_stats(float *x, int64_t n, float softcap, int quick, float *max, float *sum)
{
	vf top = vf_set(LOWEST), s = vf_set(0);
	int64_t whole = n / VW * VW;
	float m;

	for (int64_t j = 0; softcap > 0 && j < n; j += VW)
		vf_store_n(x + j, softcap * vf_tanh(vf_load_n(x + j, n - j) / softcap), n - j);
	for (int64_t j = 0; j < whole; j += VW)
		top = vf_max(top, vf_load(x + j));
	m = vf_hmax(top);
	for (int64_t j = whole; j < n; j++)
		m = x[j] > m ? x[j] : m;
	for (int64_t j = 0; j < whole; j += VW)
		s += quick ? vf_exp_short(vf_load(x + j) - m) : vf_exp(vf_load(x + j) - m);
	if (whole < n) {
		vf e = vf_exp(vf_load_n(x + whole, n - whole) - m);

		for (int64_t j = n - whole; j < VW; j++)
			e[j] = 0;
		s += e;
	}
	*max = m;
	*sum = vf_sum(s);
}

static inline vf
grad_lanes(vf x, float softcap, int quick, float lse, float weight)
{
	vf th;

	if (!(softcap > 0))
		return weight * (quick ? vf_exp_short(x - lse) : vf_exp(x - lse));
	th = vf_tanh(x / softcap);
	return weight * vf_exp(softcap * th - lse) * (1.0f - th * th);
}

static void
head_grad(float *x, int64_t n, float softcap, int quick, float lse, float weight)
{
	for (int64_t j = 0; j < n; j += VW)
		vf_store_n(x + j, grad_lanes(vf_load_n(x + j, n - j), softcap, quick, lse, weight), n - j);
}

static float
head_slope(float x, float softcap)
{
	vf th = vf_tanh(vf_set(x) / softcap);

	return softcap > 0 ? 1.0f - th[0] * th[0] : 1.0f;
}
