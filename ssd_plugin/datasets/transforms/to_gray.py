"""Images of one channel."""

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ToGray(BaseTransform):
    """Convert an image to one channel, for detectors of gray images.

    It stands before ``PackDetInputs``, in training behind ``FusedSSDAugment``, whose steps see three channels. The
    model needs ``backbone.in_channels=1``, and ``data_preprocessor`` a ``mean`` and ``std`` of one value and no
    ``bgr_to_rgb``. Levels are those of OpenCV (0.299 R + 0.587 G + 0.114 B); gray files keep theirs exactly, which
    MMCV's ``RandomGrayscale`` rounds down.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``img`` ``(H, W, 3)`` BGR, or ``(H, W)``, by ``(H, W, 1)`` of the same type, uint8 or float32."""
        image = results['img']
        if image.ndim == 3 and image.shape[2] == 3:
            image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY)
        results['img'] = image.reshape(*image.shape[:2], 1)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
