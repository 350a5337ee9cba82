#!/usr/bin/env bash
# Start one process of a Python tool per GPU: bash tools/dist_run.sh TOOL GPUS [arguments of the tool]
# dist_train.sh and dist_test.sh call it. On several nodes, run it on each with NNODES, NODE_RANK (0, 1, ...),
# MASTER_ADDR and PORT set; one node needs none of these. Without a GPU, GPUS is the number of processes on the CPU.
# SIGTERM, SIGUSR1 and SIGINT (Ctrl-C) are forwarded; exit status 75 means that one of them stopped the training, which
# can be resumed. A second Ctrl-C ends all processes at once.
set -uo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash $0 TOOL GPUS [arguments of the tool]" >&2
    exit 2
fi
case "$2" in
'' | 0 | *[!0-9]*)
    echo "error: the number of GPUs must be an integer of 1 or more, got '$2'" >&2
    exit 2
    ;;
esac
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    # On one node, torchrun binds a free port itself, so that several jobs can share the node.
    RENDEZVOUS=(--standalone)
else
    PORT=${PORT:-29500}
    if [ "${NODE_RANK:-0}" = 0 ] && (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
        echo "error: the port $PORT is in use, by another training perhaps; choose another one with PORT=29501" >&2
        exit 2
    fi
    RENDEZVOUS=(--nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}"
        --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="$PORT")
fi
TOOLS=$(dirname "${BASH_SOURCE[0]}")
exec "${PYTHON:-python}" "$TOOLS/dist_run.py" "${RENDEZVOUS[@]}" --nproc_per_node="$2" \
    "$TOOLS/$1" "${@:3}" --launcher pytorch
