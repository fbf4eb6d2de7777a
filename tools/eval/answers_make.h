/* answers_make.h -- asks a model the questions of a plan (answers.h); the answers are in a->file then. */
#ifndef OD_EVAL_ANSWERS_MAKE_H
#define OD_EVAL_ANSWERS_MAKE_H

#include "eval/answers.h"

OD_MUST_CHECK enum od_status answers_make(struct answers *a, struct od_error *err);

#endif
