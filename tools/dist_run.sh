#!/usr/bin/env bash
# Start one process of a Python tool per GPU: bash tools/dist_run.sh TOOL GPUS [arguments of the tool]
# dist_train.sh and dist_test.sh call it. On several nodes, run it on each with NNODES, NODE_RANK (0, 1, ...),
# MASTER_ADDR and PORT set. Without a GPU, GPUS is the number of processes on the CPU. SIGTERM and SIGUSR1 are
# forwarded; exit status 75 means that one of them stopped the training, which can be resumed.
set -uo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash $0 TOOL GPUS [arguments of the tool]" >&2
    exit 2
fi
# shellcheck source=tools/signals.sh
source "$(dirname "${BASH_SOURCE[0]}")/signals.sh"
# torchrun does not pass on the exit status of the tool, which creates this file when it is preempted.
SSD_PLUGIN_PREEMPTED=$(mktemp -u "${TMPDIR:-/tmp}/ssd_plugin_preempted.XXXXXX")
export SSD_PLUGIN_PREEMPTED
"${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" --nproc_per_node="$2" \
    "$(dirname "${BASH_SOURCE[0]}")/$1" "${@:3}" --launcher pytorch &
RUN=$!
# Signal torchrun's children directly: torchrun itself would kill them.
pass_on() { pkill -"$1" -P "$RUN"; }
trap 'pass_on TERM' TERM
trap 'pass_on USR1' USR1
wait_for "$RUN"
STATUS=$?
if [ -e "$SSD_PLUGIN_PREEMPTED" ]; then
    rm -f "$SSD_PLUGIN_PREEMPTED"
    exit 75
fi
exit "$STATUS"
