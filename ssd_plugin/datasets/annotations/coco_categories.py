"""Names of the categories of a COCO file, without parsing its images and annotations."""

import json
import mmap
import os
from collections.abc import Mapping
from typing import Any

_KEY = b'"categories"'


def category_names(dataset: Mapping[str, Any]) -> list[str]:
    """Return the names of the categories in the JSON file of a dataset, in their order.

    Files have hundreds of megabytes, and usually end with their categories.

    Args:
        dataset: Config of the dataset.

    Returns:
        The names; empty if the file is no COCO file, or cannot be read.
    """
    path = os.path.join(dataset.get('data_root') or '', dataset.get('ann_file') or '')
    if not path.endswith('.json') or not os.path.isfile(path) or not os.path.getsize(path):
        return []
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.rfind(_KEY)
        if start < 0:
            return []
        text = content[start + len(_KEY) :].decode(errors='replace').lstrip(' \t\r\n:')
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
        return [str(category['name']) for category in found]
    except (json.JSONDecodeError, TypeError, KeyError):
        return []
