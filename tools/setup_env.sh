#!/usr/bin/env bash
# Create the virtual environment of a stack, with the tools of tests and checks:
# bash tools/setup_env.sh [--stack mmdet|onedl]
# mmdet: MMDetection 3.3.0, in .venv. onedl: the OneDL forks, in .venv-onedl. PYTHON names the interpreter (default:
# python3). Returns at once if the environment is up to date; compiles nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "error: $1" >&2
    exit 1
}

STACK=mmdet
while [ $# -gt 0 ]; do
    case $1 in
    --stack) STACK=${2:-} && shift 2 || fail "--stack needs a value, mmdet or onedl" ;;
    *) fail "unknown argument $1; usage: bash tools/setup_env.sh [--stack mmdet|onedl]" ;;
    esac
done
case $STACK in
mmdet) VENV=.venv ;;
onedl) VENV=.venv-onedl ;;
*) fail "--stack is mmdet or onedl, not '$STACK'" ;;
esac
CONSTRAINTS=(requirements/constraints-"$STACK".txt requirements/constraints-dev.txt)

PYTHON=${PYTHON:-python3}
command -v "$PYTHON" >/dev/null || fail "$PYTHON is not found. Install Python 3.10 to 3.13 (Debian, Ubuntu: \
apt-get install python3), or name an interpreter: PYTHON=/path/to/python bash $0"
"$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
    fail "$("$PYTHON" --version) is not supported, only 3.10 to 3.13. Name another interpreter: \
PYTHON=/path/to/python3.12 bash $0"

# The stamp marks a finished installation of these requirements, by this interpreter, in this folder.
STAMP=$(cat pyproject.toml "${CONSTRAINTS[@]}" tools/setup_env.sh | cksum)" $("$PYTHON" --version) $PWD"
if [ "$(cat "$VENV/.ready" 2>/dev/null)" = "$STAMP" ]; then
    echo "$VENV is ready (source $VENV/bin/activate)"
    exit 0
fi

"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || fail "$PYTHON cannot create virtual environments: its venv \
or pip module is not installed. Debian, Ubuntu: apt-get install python3-venv. Fedora: dnf install python3-pip. \
Then run this script again"
echo "Setting up $VENV ($("$PYTHON" --version), stack $STACK): several minutes, most of them to download PyTorch"
rm -f "$VENV/.ready"
"$PYTHON" -m venv "$VENV"
# Wheels only, so that nothing compiles. Two OneDL packages are published as source only; without ops they are pure
# Python.
ROUTINE='Requirement already satisfied|Looking in|  (Downloading|Using|Preparing|Getting|Installing|Created|Stored)'
MMCV_WITH_OPS=0 "$VENV/bin/python" -m pip install --disable-pip-version-check \
    --only-binary :all: --no-binary onedl-mmcv,onedl-mmdetection \
    "${CONSTRAINTS[@]/#/--constraint=}" -e ".[$STACK,test,dev]" |
    grep --line-buffered -vE "^($ROUTINE)" ||
    fail "the installation failed; pip's message is above. Fix the cause and run this script again: what is downloaded \
is kept"

# opencv-python needs libGL, which servers and containers often lack; the headless build is the same without windows.
if ! "$VENV/bin/python" -c 'import cv2' 2>/dev/null; then
    VERSION=$("$VENV/bin/python" -c 'from importlib.metadata import version; print(version("opencv-python"))')
    "$VENV/bin/python" -m pip uninstall -q -y opencv-python
    # Reinstalled even if present, since both builds own the files that were just removed.
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --only-binary :all: --force-reinstall --no-deps \
        "opencv-python-headless==$VERSION"
fi
"$VENV/bin/python" -c 'import ssd_plugin'
echo "$STAMP" >"$VENV/.ready"
echo "$VENV is ready (source $VENV/bin/activate)"
