#!/usr/bin/env bash
# From nothing to a trained, evaluated detector, on a CPU, in minutes: bash tools/demo.sh
# Draws a data set, trains the depthwise detector on it, evaluates it with VOC's and COCO's metric, and makes pictures.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUT=work_dirs/demo
CONFIG=configs/demo/ssd_depthwise_shapes.py

bash tools/setup_env.sh
PYTHON=.venv/bin/python
rm -rf "$OUT"
mkdir -p "$OUT"

# Runs a tool with its output in a log; shows the lines that match, as they come, and the end of the log when it fails.
run() {
    local log=$1 pattern=$2
    shift 2
    "$@" >"$log" 2>&1 &
    local job=$!
    tail -n +1 --follow=name --retry --pid=$job "$log" 2>/dev/null | grep --line-buffered -E "$pattern" |
        sed -uE 's/^.* - mmengine - [A-Z]+ - //' || true
    if ! wait $job; then
        tail -n 30 "$log" >&2
        echo "error: '$*' failed; its whole output is in $log" >&2
        exit 1
    fi
}

echo "1. Drawing the data"
"$PYTHON" tools/draw_shapes.py data/shapes

echo "2. Training the depthwise detector ($CONFIG)"
run "$OUT/train.log" 'Iter\((train|val)\)|WARNING.*(ground-truth|loss)' \
    "$PYTHON" tools/train.py "$CONFIG" --work-dir "$OUT"

echo "3. Evaluating it on the test images"
run "$OUT/test.log" 'Average (Precision|Recall)|^[|+]' \
    "$PYTHON" tools/test.py "$CONFIG" "$OUT/$(basename "$(cat "$OUT/last_checkpoint")")" --work-dir "$OUT/test" --show-dir pictures

echo "4. Results"
"$PYTHON" tools/plot_log.py "$OUT"
PICTURES=$(find "$OUT/test" -type d -name pictures)
echo "detections beside ground truth: $PICTURES"
"$PYTHON" - "$OUT/test" <<'PY'
import json
import sys
from pathlib import Path

metrics = json.loads(max(Path(sys.argv[1]).glob('*/*.json')).read_text())
print(f'AP50 {metrics["pascal_voc/AP50"]:.3f}')
PY
