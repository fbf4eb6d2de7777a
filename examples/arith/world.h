/* world.h -- the arithmetic world: problems, and solutions step by step.
 *
 * A problem is a two-digit number and operations with one-digit numbers, modulo 100, left to right: 25+7*4? Its level is the number
 * of operations. A solution does one operation a step and ends with the answer:
 *
 *   quick     25+7=32;32*4=28;#28
 *   careful   25+7:12,02=32;32*4:08,12=28;#28       units part, tens part: 10 * tens + units, modulo 100, is the result
 *
 * Numbers always have two digits. A solution may mix both kinds of steps, and may contain mistakes: a result of which a digit is one
 * off, from which it is carried on.
 */
#ifndef ARITH_WORLD_H
#define ARITH_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_LEVEL 9
#define MAX_PROMPT 32
#define MAX_SOLUTION 160

struct problem {
	int start, level;
	char op[MAX_LEVEL];                        /* + - * */
	int operand[MAX_LEVEL];                    /* 2..9 */
};

/* One operation done: the parts a careful step writes down, and the result. */
struct step {
	int units, tens, result;
};

struct step world_step(int left, char op, int right);
int world_answer(const struct problem *p);

/* "25+7*4?" */
void world_prompt(const struct problem *p, char out[MAX_PROMPT]);
/* Reads one; false when it is none. */
bool world_read_prompt(struct problem *p, const char *text);

/* What a text of a solution is: right[i] says of step i whether it continues what was written before it and is done without a
 * mistake, workings included. */
struct reading {
	int steps;                                 /* as many as could be read, at most the level */
	bool right[MAX_LEVEL], careful[MAX_LEVEL];
	bool complete;                             /* all steps, and "#NN" with the last result behind them, and no more */
};

void world_read_solution(struct reading *r, const struct problem *p, const char *text);

#endif
