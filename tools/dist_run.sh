#!/usr/bin/env bash
# Start a Python tool once per GPU, for dist_train.sh and dist_test.sh: bash tools/dist_run.sh TOOL GPUS [arguments of the tool]
# On several nodes, run it on each with NNODES, NODE_RANK (0, 1, ...), MASTER_ADDR and PORT set. Without a GPU, GPUS is the
# number of processes on the CPU.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash $0 TOOL GPUS [arguments of the tool]" >&2
    exit 2
fi
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" --nproc_per_node="$2" \
    "$(dirname "${BASH_SOURCE[0]}")/$1" "${@:3}" --launcher pytorch
