#!/usr/bin/env bash
# Train with Slurm: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]
# GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS set the size of the job; inside an allocation (sbatch, salloc), srun
# uses that allocation. A job that Slurm preempts (SIGTERM, or SIGUSR1 ahead of the time limit with --signal=USR1@120)
# saves a checkpoint. A batch job is then requeued, and resumes from the newest intact checkpoint in WORK_DIR. Ctrl-C
# saves a checkpoint and stops, too, without a requeue; a second one ends at once.
set -uo pipefail
if [ $# -lt 4 ]; then
    echo "usage: [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...]" \
        "bash $0 PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
WORK_DIR=$4
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/signals.sh
source "$TOOLS/signals.sh"
# Slurm sets SLURM_RESTART_COUNT when it requeues a job.
RESUME=()
[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && RESUME=(--resume auto)
# SRUN_ARGS is unquoted, because it holds several arguments.
# shellcheck disable=SC2086
srun -p "$PARTITION" --job-name="$JOB_NAME" \
    --gres="gpu:$((GPUS < GPUS_PER_NODE ? GPUS : GPUS_PER_NODE))" \
    --ntasks="$GPUS" --ntasks-per-node="$((GPUS < GPUS_PER_NODE ? GPUS : GPUS_PER_NODE))" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$TOOLS/train.py" "$CONFIG" --work-dir "$WORK_DIR" --launcher slurm \
    ${RESUME[@]+"${RESUME[@]}"} "${@:5}" &
RUN=$!
# srun forwards signals to its tasks, but on Ctrl-C shows their state; two within a second end them.
INTERRUPTED=
interrupt() {
    if [ -z "$INTERRUPTED" ]; then
        INTERRUPTED=1
        kill -TERM "$RUN"
    else
        kill -INT "$RUN"
        kill -INT "$RUN"
    fi
}
trap 'kill -TERM "$RUN"' TERM
trap 'kill -USR1 "$RUN"' USR1
trap interrupt INT
wait_for "$RUN"
STATUS=$?
if [ "$STATUS" = 75 ] && [ -n "${SLURM_JOB_ID:-}" ] && [ -z "$INTERRUPTED" ]; then
    echo "job $SLURM_JOB_ID was preempted and has saved a checkpoint; it is requeued" >&2
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$STATUS"
