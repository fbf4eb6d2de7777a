/* paper.c -- see paper.h. */
#include "bench/paper.h"

#include <strings.h>

const struct od_paper_row od_paper_text[] = {
	/* table, model, method, quoted; AlpacaEval 2 LC, WR, Arena-Hard WR, IFEval strict, loose, SedarEval; D.8 */
	{ "1", "Llama3-8B-Base", "SFT", false, { "5.7", "3.7", "3.3", "33.5", "35.3", "20.85" }, "0.66", "389" },
	{ "1", "Llama3-8B-Base", "DPO", false, { "15.5", "13.3", "15.9", "40.5", "45.5", "31.80" }, "1.20", "542" },
	{ "1", "Llama3-8B-Base", "SimPO", false, { "19.4", "18.1", "23.4", "40.5", "45.7", "32.43" }, "1.36", "704" },
	{ "1", "Llama3-8B-Base", "Omni-DPO", false, { "23.8", "20.5", "23.9", "38.1", "47.9", "38.49" }, "1.43", "553" },
	{ "1", "Llama3-8B-Base", "SimPO v0.2", false, { "15.5", "18.5", "29.3", "40.1", "45.3", "36.23" }, "1.37", "751" },
	{ "1", "Llama3-8B-Base", "Omni-DPO v0.2", false,
	  { "22.8", "24.1", "30.7", "42.1", "48.6", "39.62" }, "1.51", "668" },
	{ "1", "Llama3-8B-Instruct", "SFT", false, { "28.5", "28.4", "25.7", NULL, NULL, NULL }, "1.59", NULL },
	{ "1", "Llama3-8B-Instruct", "DPO", false, { "43.7", "41.7", "32.6", NULL, NULL, NULL }, "1.74", NULL },
	{ "1", "Llama3-8B-Instruct", "SimPO", false, { "44.7", "40.4", "33.8", "61.2", "65.8", "44.81" }, "1.73", "504" },
	{ "1", "Llama3-8B-Instruct", "Omni-DPO", false, { "47.2", "44.2", "37.3", "61.2", "67.8", "46.32" }, "1.75", "524" },
	{ "1", "Llama3-8B-Instruct", "SimPO v0.2", false,
	  { "41.2", "37.1", "36.5", "60.8", "68.6", "42.37" }, "1.70", "530" },
	{ "1", "Llama3-8B-Instruct", "Omni-DPO v0.2", false,
	  { "46.8", "42.6", "40.6", "66.9", "73.2", "46.50" }, "1.74", "518" },
	{ "1", "Gemma-2-9b-it", "SimPO", false, { "53.2", "48.0", "59.1", "60.4", "67.7", "57.7" }, "1.76", "693" },
	{ "1", "Gemma-2-9b-it", "Omni-DPO", false, { "54.7", "52.7", "67.1", "71.2", "72.8", "57.5" }, "1.76", "751" },
	{ "1", "Qwen2.5-7B", "SimPO", false, { "20.9", "18.4", "39.5", "43.6", "48.2", "48.2" }, "1.37", "585" },
	{ "1", "Qwen2.5-7B", "Omni-DPO", false, { "25.8", "24.7", "43.5", "43.3", "48.1", "49.9" }, "1.52", "567" },
	{ "D.6", "Qwen2.5-0.5B", "SimPO", false, { "0.92", "1.37", "1.3", "12.0", "14.8", NULL }, "0.41", "1089" },
	{ "D.6", "Qwen2.5-0.5B", "Omni-DPO", false, { "3.37", "4.10", "4.4", "16.6", "18.9", NULL }, "0.70", "678" },
	{ "D.6", "Qwen2.5-1.5B", "SimPO", false, { "0.44", "0.87", "2.9", "16.1", "17.7", NULL }, "0.33", "2199" },
	{ "D.6", "Qwen2.5-1.5B", "Omni-DPO", false, { "6.49", "7.46", "12.4", "23.1", "26.2", NULL }, "0.93", "938" },
	{ "D.6", "Qwen2.5-3B", "SimPO", false, { "5.81", "6.02", "11.8", "32.5", "35.3", NULL }, "0.84", "1816" },
	{ "D.6", "Qwen2.5-3B", "Omni-DPO", false, { "10.81", "11.32", "18.5", "32.3", "34.8", NULL }, "1.12", "1050" },
	{ "D.6", "Qwen2.5-14B", "SimPO", false, { "30.07", "26.52", "48.7", "46.0", "53.6", NULL }, "1.56", "471" },
	{ "D.6", "Qwen2.5-14B", "Omni-DPO", false, { "31.99", "30.75", "54.5", "47.1", "52.5", NULL }, "1.63", "551" },
};

const struct od_paper_row od_paper_math[] = {
	/* GSM8K, MATH, Minerva Math, Olympiad Bench, AIME 2024, AMC 2023, GaoKao 2023 En, College Math, average */
	{ "2", "Qwen2.5-Math-1.5B", "Baseline", false,
	  { "72.5", "62.6", "16.2", "29.3", "3.3", "52.5", "53.0", "40.5", "41.20" }, NULL, NULL },
	{ "2", "Qwen2.5-Math-1.5B", "DPO", false,
	  { "72.7", "64.4", "18.8", "31.4", "3.3", "47.5", "56.6", "41.9", "42.08" }, NULL, NULL },
	{ "2", "Qwen2.5-Math-1.5B", "SimPO", false,
	  { "76.0", "68.4", "25.4", "32.9", "13.3", "47.5", "55.3", "46.6", "45.68" }, NULL, NULL },
	{ "2", "Qwen2.5-Math-1.5B", "Omni-DPO", false,
	  { "80.1", "70.2", "27.9", "34.5", "20.0", "57.5", "58.2", "47.9", "49.54" }, NULL, NULL },
	{ "2", "Qwen2.5-Math-7B", "Baseline", false,
	  { "64.3", "65.8", "10.7", "24.3", "23.3", "47.5", "44.7", "32.3", "39.11" }, NULL, NULL },
	{ "2", "Qwen2.5-Math-7B", "DPO", false,
	  { "83.2", "75.8", "20.2", "37.9", "26.7", "57.5", "61.6", "49.5", "51.55" }, NULL, NULL },
	{ "2", "Qwen2.5-Math-7B", "SimPO", false,
	  { "85.7", "76.4", "32.0", "39.3", "26.7", "57.5", "62.1", "50.1", "53.73" }, NULL, NULL },
	{ "2", "Qwen2.5-Math-7B", "Omni-DPO", false,
	  { "88.9", "78.2", "34.6", "41.5", "26.7", "67.5", "65.7", "51.3", "56.80" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "Baseline", true,
	  { NULL, "65.4", "9.9", "23.4", "23.3", "47.5", NULL, NULL, "38.85" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "SFT", false,
	  { "91.3", "73.2", "30.5", "35.6", "20.0", "62.5", "63.6", "51.6", "53.54" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "SFT", true,
	  { NULL, "73.2", "30.5", "35.6", "20.0", "62.5", NULL, NULL, "53.54" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "DPO", true,
	  { NULL, "73.6", "21.2", "37.3", "30.0", "55.0", NULL, NULL, "51.43" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "RAFT", false,
	  { "87.6", "77.6", "32.7", "38.2", "20.0", "57.5", "63.6", "50.6", "53.48" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "RAFT", true,
	  { NULL, "77.6", "30.5", "38.7", "20.0", "55.0", NULL, NULL, "52.95" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "Iterative DPO", false,
	  { "86.7", "75.4", "29.0", "37.9", "30.0", "60.0", "63.4", "48.9", "53.91" }, NULL, NULL },
	{ "D.5", "Qwen2.5-Math-7B", "Iterative DPO", true,
	  { NULL, "76.8", "30.9", "37.9", "26.7", "62.5", NULL, NULL, "54.23" }, NULL, NULL },
	{ "D.5", "Llama-3.1-70B-Instruct", NULL, true,
	  { NULL, "64.6", "35.3", "31.9", "16.7", "30.1", NULL, NULL, NULL }, NULL, NULL },
};

const size_t od_paper_text_rows = sizeof od_paper_text / sizeof *od_paper_text;
const size_t od_paper_math_rows = sizeof od_paper_math / sizeof *od_paper_math;

bool
od_paper_of_model(const struct od_paper_row *row, const char *model)
{
	return model == NULL || strcasecmp(row->model, model) == 0;
}
