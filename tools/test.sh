#!/usr/bin/env bash
# Run the tests, in an environment that is made when needed: bash tools/test.sh [--stack mmdet|onedl] [arguments of pytest]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
STACK=mmdet
if [ "${1:-}" = --stack ]; then
    STACK=${2:-}
    shift 2
fi
bash tools/setup_env.sh --stack "$STACK"
VENV=.venv
[ "$STACK" = mmdet ] || VENV=.venv-$STACK
# A process for each core, with a thread each; -n 0 for one.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$VENV/bin/python" -m pytest -n auto --dist worksteal "$@"
