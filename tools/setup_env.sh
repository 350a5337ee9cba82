#!/usr/bin/env bash
# Make a virtual environment with everything in it: bash tools/setup_env.sh [--stack mmdet|onedl]
# mmdet: MMDetection 3.3.0, into .venv. onedl: the OneDL forks, into .venv-onedl. PYTHON names the interpreter (python3).
# Quick when there is nothing to do; compiles nothing.
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
CONSTRAINTS=requirements/constraints-$STACK.txt

PYTHON=${PYTHON:-python3}
command -v "$PYTHON" >/dev/null || fail "there is no $PYTHON. Install Python 3.10 to 3.13 (Debian, Ubuntu: apt-get install python3), \
or name an interpreter: PYTHON=/path/to/python bash $0"
"$PYTHON" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || fail "$("$PYTHON" --version) is not \
supported: Python 3.10 to 3.13 is. Name another interpreter: PYTHON=/path/to/python3.12 bash $0"

# The stamp stands for a finished set-up of exactly these requirements in exactly this place.
STAMP=$(cat setup.py "$CONSTRAINTS" tools/setup_env.sh | cksum)" $("$PYTHON" --version) $PWD"
if [ "$(cat "$VENV/.ready" 2>/dev/null)" = "$STAMP" ]; then
    echo "$VENV is ready (source $VENV/bin/activate)"
    exit 0
fi

"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || fail "$PYTHON cannot make virtual environments: its venv or pip part is not \
installed. Debian, Ubuntu: apt-get install python3-venv. Fedora: dnf install python3-pip. Then run this again"
echo "Setting up $VENV ($("$PYTHON" --version), stack $STACK): several minutes, most of it the download of PyTorch"
rm -f "$VENV/.ready"
"$PYTHON" -m venv "$VENV"
# Wheels only, so that nothing compiles. Two OneDL packages come as source alone, which without ops is Python.
MMCV_WITH_OPS=0 "$VENV/bin/python" -m pip install --disable-pip-version-check --only-binary :all: --no-binary onedl-mmcv,onedl-mmdetection \
    -c "$CONSTRAINTS" -e ".[$STACK,test]" |
    grep --line-buffered -vE '^(Requirement already satisfied|Looking in|  (Downloading|Using|Preparing|Getting|Installing|Created|Stored))' ||
    fail "the installation failed; what pip said is above. Run this again once the cause is gone: it goes on where it ended"

# opencv-python wants libGL, which servers and containers often lack; the headless build is the same without windows.
if ! "$VENV/bin/python" -c 'import cv2' 2>/dev/null; then
    VERSION=$("$VENV/bin/python" -c 'from importlib.metadata import version; print(version("opencv-python"))')
    "$VENV/bin/python" -m pip uninstall -q -y opencv-python
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --only-binary :all: "opencv-python-headless==$VERSION"
fi
"$VENV/bin/python" -c 'import ssd_plugin'
echo "$STAMP" >"$VENV/.ready"
echo "$VENV is ready (source $VENV/bin/activate)"
