import json

import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from torchvision.ops import box_iou

from tests.support import CONFIGS, ROOT, run_tool_in

FACES = ROOT.parent / 'shared' / 'data' / 'face_slim'


@pytest.mark.skipif(not FACES.is_dir(), reason='the face detector and its photographs are not beside the project')
def test_published_weights_give_the_published_detections(tmp_path):
    result = run_tool_in(tmp_path, 'convert_checkpoint.py', FACES / 'version-slim-320.pth', 'slim.pth')
    assert result.returncode == 0 and 'pretrained/ssd_face_slim_320x240.py' in result.stdout, result.stderr
    model = init_detector(
        str(CONFIGS / 'pretrained/ssd_face_slim_320x240.py'), str(tmp_path / 'slim.pth'), device='cpu'
    )
    assert model.dataset_meta['classes'] == ('face',)
    photographs = json.loads((FACES / 'expected.json').read_text())
    assert len(photographs) == 6
    for name, rows in photographs.items():
        expected = torch.tensor(rows)
        found = inference_detector(model, str(FACES / 'images' / name)).pred_instances
        assert len(found) == len(expected)
        iou, match = box_iou(expected[:, :4], found.bboxes).max(dim=1)
        assert len(set(match.tolist())) == len(expected) and iou.min() > 0.99
        torch.testing.assert_close(found.scores[match], expected[:, 4], atol=0.002, rtol=0)
