#!/usr/bin/env bash
# Train and evaluate a detector from scratch, on a CPU, in minutes: bash tools/demo.sh
# Draws a dataset, trains the depthwise detector on it, evaluates with VOC's and COCO's metrics, and draws detections.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUT=work_dirs/demo
CONFIG=configs/demo/ssd_depthwise_shapes.py

bash tools/setup_env.sh
PYTHON=.venv/bin/python
rm -rf "$OUT"
mkdir -p "$OUT"

# run LOG PATTERN COMMAND: run a command with its output in a log. Show matching lines as they are written, and the end
# of the log if the command fails.
run() {
    local log=$1 pattern=$2
    shift 2
    "$@" >"$log" 2>&1 &
    local job=$!
    tail -n +1 --follow=name --retry --pid=$job "$log" 2>/dev/null | grep --line-buffered -E "$pattern" |
        sed -uE 's/^.* - mmengine - [A-Z]+ - //' || true
    if ! wait $job; then
        tail -n 30 "$log" >&2
        echo "error: '$*' failed; its complete output is in $log" >&2
        exit 1
    fi
}

echo "1. Drawing the dataset"
"$PYTHON" tools/draw_shapes.py data/shapes

echo "2. Training the depthwise detector ($CONFIG)"
run "$OUT/train.log" 'Iter\((train|val)\)|WARNING.*(ground-truth|loss)' \
    "$PYTHON" tools/train.py "$CONFIG" --work-dir "$OUT"

echo "3. Evaluating on the test images"
run "$OUT/test.log" 'Average (Precision|Recall)|^[|+]' \
    "$PYTHON" tools/test.py "$CONFIG" "$OUT/$(basename "$(cat "$OUT/last_checkpoint")")" --work-dir "$OUT/test" \
    --show-dir figures

echo "4. Results"
"$PYTHON" tools/plot_log.py "$OUT"
FIGURES=$(find "$OUT/test" -type d -name figures)
echo "detections beside ground truth: $FIGURES"
"$PYTHON" - "$OUT/test" <<'PY'
import json
import sys
from pathlib import Path

metrics = json.loads(max(Path(sys.argv[1]).glob('*/*.json')).read_text())
print(f'AP50 {metrics["pascal_voc/AP50"]:.3f}')
PY
