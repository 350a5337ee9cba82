"""Download of public datasets: resumable, checked by MD5 sum, unpacked and verified."""

import json
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from ssd_plugin.errors import UserError
from ssd_plugin.files import CHUNK, md5_of, part_of, publish, temporary_folder

VOC_URL = 'https://thor.robots.ox.ac.uk/pascal/VOC'
COCO_URL = 'http://images.cocodataset.org'


@dataclass(frozen=True)
class Archive:
    """File to download.

    Attributes:
        url: Address of the file.
        md5: MD5 sum of the file, as hexadecimal digits.
        into: Folder to unpack to, relative to the folder of the dataset.
    """

    url: str
    md5: str
    into: str = '.'

    @property
    def name(self) -> str:
        """File name without its address."""
        return self.url.rsplit('/', 1)[-1]


@dataclass(frozen=True)
class DataSource:
    """Public dataset.

    Attributes:
        folder: Folder of the dataset, relative to the root of all datasets.
        archives: Files to download.
        contents: (file, number): lists of image ids or COCO annotations, and the number of images that each lists.
    """

    folder: str
    archives: tuple[Archive, ...]
    contents: tuple[tuple[str, int], ...]


# MD5 sums as published with torchvision (datasets/voc.py) and, for COCO, in the checksum lists of several projects.
SOURCES = {
    'voc2007': DataSource(
        'VOCdevkit',
        (
            Archive(f'{VOC_URL}/voc2007/VOCtrainval_06-Nov-2007.tar', 'c52e279531787c972589f7e41ab4ae64', '..'),
            Archive(f'{VOC_URL}/voc2007/VOCtest_06-Nov-2007.tar', 'b6e924de25625d8de591ea690078ad9f', '..'),
        ),
        (('VOC2007/ImageSets/Main/trainval.txt', 5011), ('VOC2007/ImageSets/Main/test.txt', 4952)),
    ),
    'voc2012': DataSource(
        'VOCdevkit',
        (Archive(f'{VOC_URL}/voc2012/VOCtrainval_11-May-2012.tar', '6cd6e144f989b92b3379bac3b3de84fd', '..'),),
        (('VOC2012/ImageSets/Main/trainval.txt', 11540),),
    ),
    'coco2017': DataSource(
        'coco',
        (
            Archive(f'{COCO_URL}/annotations/annotations_trainval2017.zip', 'f4bbac642086de4f52a3fdda2de5fa2c'),
            Archive(f'{COCO_URL}/zips/val2017.zip', '442b8da7639aecaf257c1dceb8ba8c80'),
            Archive(f'{COCO_URL}/zips/train2017.zip', 'cced6f7f71b7629ddf16f17bbcfab6b2'),
        ),
        (('annotations/instances_train2017.json', 118287), ('annotations/instances_val2017.json', 5000)),
    ),
}


def mirrored(source: DataSource, address: str) -> DataSource:
    """Return a dataset with the addresses of another server.

    Args:
        source: The dataset.
        address: Address of the folder that has all archives of the dataset.
    """
    return replace(source, archives=tuple(replace(a, url=f'{address.rstrip("/")}/{a.name}') for a in source.archives))


def prepare(
    source: DataSource, root: Path, keep_archives: bool = False, attempts: int = 5, log: Callable[[str], None] = print
) -> Path:
    """Download and unpack a dataset unless it is already complete.

    Args:
        source: One of :data:`SOURCES`.
        root: Folder of all datasets.
        keep_archives: Whether the downloaded archives are kept after unpacking.
        attempts: Number of attempts per download. Each resumes where the last one ended.
        log: Receives messages about the progress.

    Returns:
        The folder of the dataset.

    Raises:
        UserError: A download fails, an MD5 sum does not match, or files are missing after unpacking.
    """
    folder = root / source.folder
    if not missing_files(source, folder):
        log(f'{folder} is complete')
        return folder
    downloads = root / 'downloads'
    downloads.mkdir(parents=True, exist_ok=True)
    for archive in source.archives:
        path = downloads / archive.name
        fetch(archive, path, attempts, log)
        log(f'unpacking {archive.name}')
        unpack(path, folder / archive.into)
    problems = missing_files(source, folder)
    if problems:
        raise UserError(f'{folder} is incomplete after unpacking: ' + '; '.join(problems))
    if not keep_archives:
        for archive in source.archives:
            (downloads / archive.name).unlink()
    log(f'{folder} is complete')
    return folder


def fetch(archive: Archive, path: Path, attempts: int = 5, log: Callable[[str], None] = print) -> None:
    """Download a file, resuming an earlier download, and check its MD5 sum.

    Until the file is complete, it is called ``.NAME.part``; a later call resumes it.

    Args:
        archive: The file.
        path: Where to put it.
        attempts: Number of attempts. Each resumes where the last one ended.
        log: Receives messages about the progress.

    Raises:
        UserError: All attempts failed, or the MD5 sum does not match, in which case the file is removed.
    """
    if path.exists() and md5_of(path) == archive.md5:
        log(f'{path} is already complete')
        return
    part = part_of(path)
    for attempt in range(1, attempts + 1):
        try:
            _download(archive, part)
            break
        except (OSError, EOFError) as error:
            have = part.stat().st_size if part.exists() else 0
            log(f'{archive.url} was interrupted at {have / 1e6:.1f} MB (attempt {attempt} of {attempts}): {error}')
            if attempt == attempts:
                raise UserError(
                    f'{archive.url} could not be downloaded. Run the same command again to resume at '
                    f'{have / 1e6:.1f} MB, or put the file at {path} yourself'
                ) from error
    found = md5_of(part)
    if found != archive.md5:
        part.unlink()
        raise UserError(
            f'{archive.url} has the MD5 sum {found} instead of {archive.md5}; the download was removed. Run the same '
            'command again'
        )
    publish(path)


def _download(archive: Archive, part: Path) -> None:
    """Append the missing rest of a file to the part that is already there.

    Raises:
        EOFError: The connection ended too early.
        OSError: The connection failed, or the file cannot be written.
    """
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(archive.url, headers={'Range': f'bytes={have}-'} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if have and error.code == 416:  # the part has the full length; its MD5 sum is checked next
            return
        raise
    with response:
        if response.status != 206:  # the server does not support resuming
            have = 0
        total = have + int(response.headers.get('Content-Length', 0))
        bar = tqdm(total=total or None, initial=have, unit='B', unit_scale=True, desc=archive.name, disable=None)
        with open(part, 'ab' if have else 'wb') as file, bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
    if have < total:
        raise EOFError(f'{total - have} bytes are missing')


def unpack(path: Path, folder: Path) -> None:
    """Unpack a tar or zip file.

    It is unpacked to a temporary folder and then moved, so that an interruption leaves no half-written file.

    Args:
        path: The archive.
        folder: Folder to unpack to; files in it are kept or overwritten.

    Raises:
        UserError: The archive is damaged, or would write outside the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with temporary_folder(folder / path.stem) as unpacked:
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(unpacked)
            elif not hasattr(tarfile, 'data_filter'):  # the documented check for safe unpacking, which old Pythons lack
                raise UserError(f'this Python cannot unpack {path} safely. Use Python 3.10.12, 3.11.4 or newer')
            else:
                with tarfile.open(path) as archive:
                    archive.extractall(unpacked, filter='data')
            _merge(unpacked, folder)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f'{path} could not be unpacked to {folder}: {error}') from error


def _merge(source: Path, target: Path) -> None:
    """Move a tree of folders into another one, as the archives of VOC have folders in common."""
    for item in source.iterdir():
        destination = target / item.name
        if item.is_dir() and destination.is_dir():
            _merge(item, destination)
        else:
            item.replace(destination)


def missing_files(source: DataSource, folder: Path) -> list[str]:
    """Return what a dataset lacks, as texts; empty if it is complete.

    Args:
        source: The dataset.
        folder: Folder of the dataset.
    """
    problems = []
    for name, expected in source.contents:
        path = folder / name
        if not path.is_file():
            problems.append(f'{path} is missing')
            continue
        try:
            files = _coco_files(path) if path.suffix == '.json' else _voc_files(path)
        except (ValueError, KeyError) as error:
            problems.append(f'{path} cannot be read: {error}')
            continue
        if len(files) != expected:
            problems.append(f'{path} lists {len(files)} images instead of {expected}')
        absent = [file for group in files for file in group if not file.is_file()]
        if absent:
            problems.append(f'{len(absent)} file(s) listed in {path} are missing, the first is {absent[0]}')
    return problems


def _voc_files(path: Path) -> list[tuple[Path, ...]]:
    """Return the image and annotation of each id in a list of VOC."""
    year = path.parents[2]
    return [
        (year / 'JPEGImages' / f'{name}.jpg', year / 'Annotations' / f'{name}.xml') for name in path.read_text().split()
    ]


def _coco_files(path: Path) -> list[tuple[Path, ...]]:
    """Return the image of each entry of a COCO annotation."""
    images = path.parents[1] / path.stem.removeprefix('instances_')
    return [(images / image['file_name'],) for image in json.loads(path.read_text())['images']]
