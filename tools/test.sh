#!/usr/bin/env bash
# Run the tests: bash tools/test.sh [--stack mmdet|onedl] [arguments of pytest]. Creates the environment if needed.
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
# One process per core, with one thread each; -n 0 for a single process.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$VENV/bin/python" -m pytest -n auto --dist worksteal "$@"
