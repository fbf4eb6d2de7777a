/* langid_impl.h -- one way to tell languages: what langid.c calls. Its struct begins with a struct od_langid. */
#ifndef OD_TEXT_LANGID_IMPL_H
#define OD_TEXT_LANGID_IMPL_H

#include "text/langid.h"

struct od_langid_way {
	const char *(*name)(const struct od_langid *l);
	int (*knows)(const struct od_langid *l, const char *name);
	enum od_status (*detect)(struct od_langid *l, const char *text, size_t n, const char **name, double *prob,
		struct od_error *err);
	void (*close)(struct od_langid *l);
};

struct od_langid {
	const struct od_langid_way *way;
};

#endif
