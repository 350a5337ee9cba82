#!/usr/bin/env bash
# Check style, format, types and floors: bash tools/lint.sh [lint|format|types|floors ...]
# All of them by default. Creates the environment if needed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- lint format types floors
for check in "$@"; do
    case $check in
    lint | format | types | floors) ;;
    *) echo "error: unknown check $check; usage: bash tools/lint.sh [lint|format|types|floors ...]" >&2 && exit 2 ;;
    esac
done
bash tools/setup_env.sh || exit 1
BIN=$PWD/.venv/bin

run() {
    case $1 in
    lint) "$BIN/ruff" check ;;
    format) "$BIN/ruff" format --check ;;
    types) "$BIN/pyrefly" check --python-interpreter-path "$BIN/python" ;;
    floors) "$BIN/lint-imports" --no-logo ;;
    esac
}

FAILED=()
for check in "$@"; do
    echo "== $check"
    run "$check" || FAILED+=("$check")
done
if [ ${#FAILED[@]} -gt 0 ]; then
    echo "error: failed: ${FAILED[*]}. Some findings are fixed by: .venv/bin/ruff check --fix; .venv/bin/ruff format" >&2
    exit 1
fi
