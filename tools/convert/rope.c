/* The frequency-dependent scaling of Llama 3.1. With frequency w_i = theta^(-2i/dim) and wavelength 2 pi / w_i:
 *   wavelength > C / low    the frequency is divided by factor
 *   wavelength < C / high   it stays
 *   between                 s = (C / wavelength - low) / (high - low), divided by 1 / ((1 - s) / factor + s)
 * GGUF stores the divisors. C, low and high only ever appear as C / low and C / high, so the way back is free to set
 * low = 1 as every published model does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "convert/convert.h"

static double
wavelength(double theta, int64_t i, int64_t n)
{
	return 2 * 3.14159265358979323846 * pow(theta, (double)i / (double)n);
}

static double
divisor(double wave, double factor, double low, double high, double context)
{
	double s;

	if (wave > context / low)
		return factor;
	if (wave < context / high)
		return 1;
	s = (context / wave - low) / (high - low);
	return 1 / ((1 - s) / factor + s);
}

void
cv_rope_divisors(const struct od_model_config *c, float *divisors)
{
	int64_t n = c->head_dim / 2;

	for (int64_t i = 0; i < n; i++)
		divisors[i] = (float)divisor(wavelength(c->rope_theta, i, n), c->rope_scaling.factor,
			c->rope_scaling.low_freq_factor, c->rope_scaling.high_freq_factor,
			c->rope_scaling.original_max_position_embeddings);
}

double
cv_shorten(double f)
{
	char text[OD_NUM_TEXT];
	double v = f;

	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, f);
		if (od_num_double(text, &v) && (float)v == (float)f)
			return v;
	}
	return f;
}

static bool
explains(const float *divisors, int64_t n, double theta, double factor, double high, double context)
{
	for (int64_t i = 0; i < n; i++) {
		double d = divisor(wavelength(theta, i, n), factor, 1, high, context);

		if (!(fabs(d - (double)divisors[i]) <= 2e-3 * d))
			return false;
	}
	return true;
}

/* high = 4 is what models use; C is a power of two, usually told by the file and otherwise found among a few. */
static bool
find_context(const float *divisors, int64_t n, double theta, double factor, int64_t told, double *context)
{
	if (told > 0 && explains(divisors, n, theta, factor, 4, (double)told)) {
		*context = (double)told;
		return true;
	}
	/* 8192 first: where no frequency falls between the bounds several fit, and this is the published one. */
	*context = 8192;
	if (explains(divisors, n, theta, factor, 4, *context))
		return true;
	for (*context = 16; *context <= (1 << 22); *context *= 2)
		if (explains(divisors, n, theta, factor, 4, *context))
			return true;
	return false;
}

enum od_status
cv_rope_parameters(const float *divisors, int64_t n, double theta, int64_t told, json_t **out, struct od_error *err)
{
	double factor = 1, context;

	for (int64_t i = 0; i < n; i++)
		if ((double)divisors[i] > factor)
			factor = (double)divisors[i];
	if (!find_context(divisors, n, theta, factor, told, &context))
		return od_fail(err, OD_ESUPPORT,
			"tensor '%s' is not a scaling of the llama3 kind with high_freq_factor 4",
			CV_ROPE_FREQS);
	*out = json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor", cv_shorten(factor),
		"low_freq_factor", 1.0, "high_freq_factor", 4.0, "original_max_position_embeddings", (json_int_t)context);
	return *out ? OD_OK : od_fail_nomem(err, "rope_scaling", 1);
}
