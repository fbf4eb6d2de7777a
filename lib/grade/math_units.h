/* math_units.h -- removal of units of measure (and other words of word problems) from answers. */
#ifndef OD_GRADE_MATH_UNITS_H
#define OD_GRADE_MATH_UNITS_H

#include "base/buf.h"

/* Removes each unit, in the order of the list and then all with an s, that stands between characters that are no part of words,
 * two times over; never the last thing there is. */
void od_math_remove_units(struct od_buf *b);

#endif
