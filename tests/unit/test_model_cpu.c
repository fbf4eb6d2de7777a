/* test_model_cpu.c -- whole models on the processor, in fp32 and in bf16. */
#define OD_TEST_DEVICE "cpu"
#include "model_device.h"
