#!/usr/bin/env bash
# The reference results under results/reference/wordnet-methods: the native filtered methods, exact search and the
# graphs of hnswlib and faiss on all kinds of filter, their table and pictures. Half an hour on two cores; nothing
# else should run meanwhile.
#     fannsbench datasets build wordnet && benchmarks/reference_methods.sh FOLDER
set -euo pipefail
folder="${1:?name the folder to write to}"
workloads=none,em,r,r-correlated,emis,mem,mr,memis,c
measure() {
  fannsbench run --dataset wordnet --queries 300 --runs 2 --timeout 200 --results "$folder/results" \
    --workload "${workloads_of:-$workloads}" "$@"
}
measure --algo exact,exact-int8
measure --algo hnsw --sweep ef=20,60,160,400
measure --algo faiss-hnsw --set M=32 --sweep ef=20,160,600
measure --algo faiss-ivf --sweep nprobe=4,16,64,256
measure --algo hnsw-native --sweep ef=20,60,160,400
measure --algo acorn --set M=32 --set M_beta=32 --set gamma=12 --sweep ef=20,60,160,400
measure --algo acorn-1 --sweep ef=20,60,160,400
measure --algo planner --sweep ef=20,60,160,400
workloads_of=none measure --algo vamana --sweep ef=20,60,160,400
workloads_of=em,emis,c measure --algo stitched-vamana --sweep ef=20,60,160,400
workloads_of=em,emis measure --algo filtered-vamana --sweep ef=20,60,160,400
workloads_of=em,emis,mem,memis measure --algo ung --set R=32 --sweep ef=20,60,160,400
workloads_of=r,r-correlated,mr measure --algo serf --set index_k=32 --set ef_max=500 --sweep ef=20,60,160,400
workloads_of=r,r-correlated,mr measure --algo irangegraph --sweep ef=20,60,160,400
workloads_of=r,r-correlated measure --algo digra,dsg,window-tree,unify --sweep ef=20,60,160,400

fannsbench results --results "$folder/results" --csv "$folder/table.csv"
draw() { fannsbench plot --results "$folder/results" "$@"; }
draw -o "$folder/wordnet-pareto.png"
draw -o "$folder/wordnet-selectivity.png" --by-selectivity --workload em,r,emis
draw -o "$folder/wordnet-build.png" --y build_s
draw -o "$folder/wordnet-index.png" --y index_bytes
python "$(dirname "$0")/reference_tables.py" "$folder/table.csv" > "$folder/tables.md"
