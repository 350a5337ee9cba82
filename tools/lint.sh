#!/usr/bin/env bash
# Check style, format, line lengths, types and floors: bash tools/lint.sh [lint|format|lines|types|floors ...]
# All of them by default. Creates the environment if needed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- lint format lines types floors
USAGE='usage: bash tools/lint.sh [lint|format|lines|types|floors ...]'
for check in "$@"; do
    case $check in
    lint | format | lines | types | floors) ;;
    *) echo "error: unknown check $check; $USAGE" >&2 && exit 2 ;;
    esac
done
bash tools/setup_env.sh || exit 1
BIN=$PWD/.venv/bin

# Print the lines of more than 120 characters in files that ruff does not read. Tables and code blocks of Markdown, and
# lines with a URL, may be longer.
long_lines() {
    find ./*.md ./*.toml configs docs ssd_plugin tests tools -type f \
        \( -name '*.md' -o -name '*.sh' -o -name '*.toml' \) -exec awk '
        FNR == 1 { markdown = FILENAME ~ /\.md$/; fenced = 0 }
        markdown && /^```/ { fenced = !fenced }
        markdown && (fenced || /^(\||    )/) { next }
        length > 120 && !/https?:\/\// { print FILENAME ":" FNR ": " length " characters, more than 120"; found = 1 }
        END { exit found }' {} +
}

run() {
    case $1 in
    lint) "$BIN/ruff" check ;;
    format) "$BIN/ruff" format --check ;;
    lines) long_lines ;;
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
    echo "error: failed: ${FAILED[*]}. Some findings are fixed by: .venv/bin/ruff check --fix; .venv/bin/ruff format" \
        >&2
    exit 1
fi
