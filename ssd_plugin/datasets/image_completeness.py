"""Find image files that are missing, empty or cut off, without decoding them."""

import mmap
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, UnidentifiedImageError

from .transforms.image_decoding import JPEG_SIGNATURE, PNG_SIGNATURE

# Bytes at the end of a file that usually hold the last marker.
TAIL = 4096
JPEG_END = b'\xff\xd9'
# JPEG markers (ITU-T T.81, table B.1): start of scan, and those without a length.
SCAN = 0xDA
STANDALONE = {0x01, *range(0xD0, 0xD9)}
PNG_END = b'IEND'
# Threads, which wait for disks most of the time.
THREADS = 16
CUT_OFF = 'it is cut off'


def defects(paths: Iterable[str]) -> dict[str, str]:
    """Return what is wrong with image files, by path; files without a defect are left out.

    Args:
        paths: Local files; each is tested once.
    """
    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(THREADS) as pool:
        return {path: found for path, found in zip(paths, pool.map(defect, paths)) if found}


def defect(path: str) -> str | None:
    """Return why an image file cannot be read as far as its header and its end show, otherwise ``None``.

    A file that is damaged in between passes.
    """
    try:
        if os.path.getsize(path) == 0:
            return 'it is empty'
        with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:2] == JPEG_SIGNATURE:
                return None if _jpeg_ends(data) else CUT_OFF
            if data[: len(PNG_SIGNATURE)] == PNG_SIGNATURE:
                return None if data.rfind(PNG_END) >= 0 else CUT_OFF
            if data[:4] == b'RIFF' and int.from_bytes(data[4:8], 'little') + 8 > len(data):
                return CUT_OFF
        with Image.open(path):
            return None
    except FileNotFoundError:
        return 'it is missing'
    except UnidentifiedImageError:
        return 'it is not an image of a known format'
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__


def _jpeg_ends(data: mmap.mmap) -> bool:
    """Return whether the end marker of a JPEG is there, behind the header, whose thumbnail has one, too."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == SCAN:
            # In a scan, 0xFF is part of a marker only. Other bytes may follow the last one.
            return data.rfind(JPEG_END, max(position, len(data) - TAIL)) >= 0 or data.find(JPEG_END, position) >= 0
        if marker == 0xFF:
            position += 1
        elif marker in STANDALONE:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], 'big')
    return False
