"""Files of figures and images, each written completely or not at all."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from ssd_plugin.errors import UserError
from ssd_plugin.files import write_atomically


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Write a figure in the format that its suffix names, PNG without one."""
    # In memory first, since Pillow does not notice that a JPEG did not fit on the disk.
    encoded = BytesIO()
    figure.savefig(encoded, format=path.suffix[1:] or 'png', dpi=dpi)
    write_atomically(path, lambda file: file.write(encoded.getvalue()))


def check_format(path: Path) -> None:
    """Check that the suffix of a figure names a format that can be written.

    Raises:
        UserError: It does not.
    """
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix and path.suffix[1:].lower() not in known:
        raise UserError(f'{path}: figures are written as {", ".join(sorted(known))}; change the suffix, to .png')


def save_image(image: np.ndarray, path: Path) -> None:
    """Write an image ``(H, W, 3)`` uint8 BGR in the format that its suffix names."""
    _, encoded = cv2.imencode(path.suffix, image)
    write_atomically(path, lambda file: file.write(encoded.tobytes()))
