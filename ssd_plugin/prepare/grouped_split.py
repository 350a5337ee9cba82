"""Random splits that keep equal and nearly equal images together, and the classes in proportion."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from ssd_plugin.datasets.image_files import read_reduced

# Cells in a row of the hash, and the number of its bits in which nearly equal images may differ.
CELLS, DIFFERENT = 16, 10
# Images that are compared with all others at a time.
BLOCK = 1024


def duplicate_groups(paths: Sequence[Path]) -> list[int]:
    """Return the number of each image's group: images that look nearly the same are in one group.

    Images are compared by the signs of the brightness differences between neighboring cells of a 16x17 grid (the
    difference hash, hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html). Copies with another size or
    compression differ in a few of the 256 signs; different photographs in about half of them.

    Args:
        paths: Image files; one that cannot be read is in a group of its own.
    """
    with ThreadPoolExecutor() as pool:
        hashes = list(tqdm(pool.map(_hash, paths), 'comparing images', len(paths), disable=None))
    found = {index: item for index, item in enumerate(hashes) if item is not None}
    if not found:
        return list(range(len(paths)))
    readable, bits = np.array(list(found)), np.stack(list(found.values())).astype(np.float32)
    first, second = [], []
    for start in range(0, len(bits), BLOCK):
        block = bits[start : start + BLOCK]
        different = block @ (1 - bits).T + (1 - block) @ bits.T
        rows, columns = np.nonzero(different <= DIFFERENT)
        first.append(readable[rows + start])
        second.append(readable[columns])
    edges = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(len(paths), len(paths)))
    return connected_components(graph, directed=False)[1].tolist()


def _hash(path: Path) -> np.ndarray | None:
    """Return the difference hash ``(256,)`` of an image, ``None`` if it cannot be read or is a plain area."""
    image = read_reduced(path, cv2.IMREAD_REDUCED_GRAYSCALE_2)
    if image is None:
        return None
    cells = cv2.resize(image, (CELLS + 1, CELLS), interpolation=cv2.INTER_AREA).astype(int)
    return (cells[:, 1:] > cells[:, :-1]).ravel() if np.ptp(cells) else None


def split(names: Sequence[Sequence[str]], groups: Sequence[int], fraction: float, seed: int) -> list[bool]:
    """Return for each image whether it is in the smaller side of a random split.

    The classes are in proportion on both sides, as far as the groups allow: groups are handed out one by one, those
    with the rarest classes first, to the side that lacks more of their objects (iterative stratification, Sechidis,
    Tsoumakas and Vlahavas, ECML 2011, where a label's demand is counted likewise).

    Args:
        names: Class names of the objects of each image.
        groups: Number of the group of each image; a group is on one side.
        fraction: Fraction of the smaller side, between 0 and 1.
        seed: Seed of the order of groups that are alike.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    totals = Counter(name for image in names for name in set(image))
    order = list(members)
    random.Random(seed).shuffle(order)

    def rarest(group: int) -> float:
        return min((totals[name] for index in members[group] for name in names[index]), default=float('inf'))

    order.sort(key=rarest)
    # Numbers of images that the smaller side still lacks, of each class and in all.
    lacking = {name: fraction * count for name, count in totals.items()}
    space = fraction * len(names)
    chosen = [False] * len(names)
    for group in order:
        images = members[group]
        held = Counter(name for index in images for name in set(names[index]))
        if held:
            name = min(held, key=lambda name: (totals[name], name))
            wanted = lacking[name] >= held[name] / 2
        else:
            wanted = space >= len(images) / 2
        if wanted and space >= len(images) / 2:
            for index in images:
                chosen[index] = True
            space -= len(images)
            for name, count in held.items():
                lacking[name] -= count
    # Where classes are too rare for a share, any other groups; those with frequent classes first.
    for group in reversed(order):
        images = members[group]
        if not chosen[images[0]] and space >= max(len(images) / 2, 1):
            for index in images:
                chosen[index] = True
            space -= len(images)
    return chosen
