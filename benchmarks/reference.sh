#!/usr/bin/env bash
# The reference results under results/reference/wordnet: every bundled algorithm on the full data set, its
# table and its pictures. About half an hour on two cores; nothing else should run meanwhile.
#     fannsbench datasets build wordnet && benchmarks/reference.sh FOLDER
set -euo pipefail
folder="${1:?name the folder to write to}"
measure() {
  fannsbench run --dataset wordnet --workload none,em,r,emis --queries 500 --runs 3 --timeout 150 \
    --results "$folder/results" "$@"
}
measure --algo exact,faiss-flat
measure --algo faiss-ivf --sweep nprobe=1,4,16,64,128,256,512
measure --algo hnsw --sweep ef=10,20,40,80,160,320
measure --algo faiss-hnsw --sweep ef=16,64,256,1024,4096
measure --algo faiss-ivfpq --sweep nprobe=4,16,64,128,256,512
measure --algo hnsw-infilter --sweep ef=10,40,160
measure --algo annoy --sweep search_k=100,1000,4000,16000,64000

fannsbench results --results "$folder/results" --csv "$folder/table.csv"
draw() { fannsbench plot --results "$folder/results" "$@"; }
draw -o "$folder/wordnet-pareto.png"
draw -o "$folder/wordnet-selectivity.png" --by-selectivity --workload em,r,emis
draw -o "$folder/wordnet-latency.png" --y latency
draw -o "$folder/wordnet-build.png" --y build_s
draw -o "$folder/wordnet-index.png" --y index_bytes
draw -o "$folder/wordnet-memory.png" --y peak_search_bytes
