#!/usr/bin/env bash
# Token ids of eight real pairs through SmolLM2's tokenizer and template.
exec "${BUILD:-build/release}/tests/unit/test_smollm2_rules"
