#!/bin/sh
# A table of transcripts of 500 MB, binned by a process that may take 48 MiB (RLIMIT_DATA) more than
# it starts with. benches/transcripts.sh [ROWS]
SPATIA_TEST_TRANSCRIPT_ROWS=${1:-15000000} exec cargo test --release -- \
  --exact xenium::a_table_larger_than_the_memory_limit_is_binned --nocapture
