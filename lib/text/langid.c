/* langid.c -- see langid.h. The ways are in langid_profiles.c and langid_cld2.c. */
#include "text/langid_impl.h"

void
od_langid_close(struct od_langid *l)
{
	if (l != NULL)
		l->way->close(l);
}

const char *
od_langid_name(const struct od_langid *l)
{
	return l->way->name(l);
}

int
od_langid_knows(const struct od_langid *l, const char *name)
{
	return l->way->knows(l, name);
}

enum od_status
od_langid_detect(struct od_langid *l, const char *text, size_t n, const char **name, double *prob, struct od_error *err)
{
	*name = NULL;
	if (prob != NULL)
		*prob = 0;
	return l->way->detect(l, text, n, name, prob, err);
}
