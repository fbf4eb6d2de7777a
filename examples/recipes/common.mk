# common.mk -- what the recipes share: strict shells, framed streams, files that are complete or not there.
#
# A recipe is run from anywhere, as make -f examples/recipes/NAME/Makefile VARIABLE=VALUE...; -n shows what it would do. Each
# stage leaves its stream in OUT: what is there is not made again, so the same command goes on after an interruption, and a stage
# is done anew when its file is removed. One recipe at a time in an OUT.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:

recipes := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
BIN ?= $(recipes)/../../bin
export PATH := $(abspath $(BIN)):$(PATH)
export OD_FRAMED := 1

# $(call need,MODEL PROMPTS): variables without a default.
need = $(foreach v,$1,$(if $($v),,$(error $v= is missing; the head of $(firstword $(MAKEFILE_LIST)) says what it is)))

# $(call stage,COMMAND): the target is what the filter makes of the first prerequisite. recipes/parallel fans it out.
# $(call local,COMMAND): the same, always here.
define local
@mkdir -p $(@D)
{ $1; } <$< >$@.part
@mv $@.part $@
endef
stage = $(local)

# $(call train,OPTIONS): od-train, by TRAIN_ON if that is set, into the target from the first prerequisite; an interrupted run
# goes on.
train = $(TRAIN_ON) od-train $1 --out $@ $(if $(wildcard $@.run/step-*),--resume) $<

# What od-sample --format math-suffix shows the model behind a problem. Experts see the problem alone; training sees what was
# shown, so it is put behind the prompts of pairs.
export OD_COT := $(empty) Let's think step by step and output the final answer within \boxed{}
as_shown = jq -c 'if .prompt then .prompt += env.OD_COT else . end'

# Loops of N = ITERATIONS: iteration I starts from $(call policy,I) and takes the prompts at positions I-1, N+I-1, ...
before = $(shell echo $$(($1 - 1)))
policy = $(if $(filter 1,$1),$(MODEL),$(OUT)/$(call before,$1)/model)
define prompts_of
$(OUT)/$1/prompts.jsonl: $(PROMPTS)
	$$(call local,awk '(NR - 1) % $(ITERATIONS) == $(call before,$1)')
endef
