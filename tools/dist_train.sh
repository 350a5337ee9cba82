#!/usr/bin/env bash
# Train on several GPUs: bash tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
# On several nodes, run it on each with NNODES, NODE_RANK (0, 1, ...), MASTER_ADDR and PORT set. Without a GPU, GPUS is the
# number of processes on the CPU.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash $0 CONFIG GPUS [arguments of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" --nproc_per_node="$GPUS" \
    "$TOOLS/train.py" "$CONFIG" --launcher pytorch "${@:3}"
