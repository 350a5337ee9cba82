"""Everything that adapts a third-party package, in one file.

``install()`` runs once, when ``ssd_plugin`` is imported. Each function says which package and which versions need it;
a function whose condition does not hold changes nothing.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import pickle
import sys
import types
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path

CONFIG_SCOPE = 'ssd_plugin'
MIN_TORCH = '2.6'

# import name -> distribution -> (lowest, first version known to be too new, newest tested). The OneDL forks carry the same
# import names under other distribution names.
TESTED_VERSIONS = {
    'mmengine': {'mmengine': ('0.10.7', '1.0', '0.10.7'), 'onedl-mmengine': ('0.10.12', '1.0', '0.10.12')},
    'mmcv': {
        'mmcv-lite': ('2.1.0', '2.2.0', '2.1.0'),
        'mmcv': ('2.1.0', '2.2.0', '2.1.0'),
        'onedl-mmcv': ('2.3.6', '3.0', '2.3.6'),
    },
    'mmdet': {'mmdet': ('3.3.0', '4.0', '3.3.0'), 'onedl-mmdetection': ('3.5.1', '4.0', '3.5.1')},
}
INSTALL_HINT = 'pip install "mmengine==0.10.7" "mmcv-lite==2.1.0" "mmdet==3.3.0"   (or run: bash tools/setup_env.sh)'


def _version(text: str) -> tuple:
    from packaging.version import Version

    return Version(text)


def check_torch_pair() -> None:
    """torch and torchvision are built for each other; a pair that does not fit fails deep inside with
    ``operator torchvision::nms does not exist``.

    Raises:
        ImportError: torch is older than 2.6, torchvision is missing, or the two do not fit.
    """
    import torch

    if _version(torch.__version__.split('+')[0]) < _version(MIN_TORCH):
        raise ImportError(
            f'ssd_plugin needs torch >= {MIN_TORCH}, found {torch.__version__}. '
            'Remedy: pip install --upgrade torch torchvision'
        )
    remedy = 'Remedy: pip install --upgrade torch torchvision, both in one command'
    major, minor = (int(part) for part in torch.__version__.split('.')[:2])
    if major == 2 and minor < 14:
        # 0.21 belongs to 2.6, and so on one by one; from 0.29 torchvision takes any torch >= 2.14.
        remedy += f', or to keep this torch: pip install "torchvision==0.{minor + 15}.*"'
    try:
        importlib.import_module('torchvision.ops')
    except ModuleNotFoundError as error:
        if error.name != 'torchvision':
            raise
        raise ImportError(f'torchvision is not installed (torch is {torch.__version__}). {remedy}') from error
    except (RuntimeError, ImportError, OSError, AttributeError) as error:
        found = importlib.metadata.version('torchvision')
        raise ImportError(
            f'torch {torch.__version__} and torchvision {found} do not fit together: {error}. {remedy}'
        ) from error


def check_openmmlab_versions() -> None:
    """MMEngine, MMCV and MMDetection must be there, within the range that the suite was run with.

    Raises:
        ImportError: one is missing, or of a version known not to work.
    """
    for module, distributions in TESTED_VERSIONS.items():
        if importlib.util.find_spec(module) is None:
            raise ImportError(f'{module} is not installed. Remedy: {INSTALL_HINT}')
        found = {}
        for name in distributions:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        for name, version in found.items():
            lowest, too_new, newest = distributions[name]
            if not _version(lowest) <= _version(version) < _version(too_new):
                raise ImportError(
                    f'{name} {version} is outside the range that ssd_plugin works with (>= {lowest}, < {too_new}). '
                    f'Remedy: pip install "{name}>={lowest},<{too_new}"'
                )
            if _version(version) > _version(newest):
                warnings.warn(
                    f'{name} {version} is newer than {newest}, the newest that ssd_plugin was tested with', stacklevel=2
                )


class _OpsStandIn(types.ModuleType):
    """Takes the place of ``mmcv._ext``, MMCV's compiled extension, where it was not built.

    NMS goes to torchvision. Any other op can be looked up, as MMCV does for all of them at import, and says so when called.
    """

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)

        def missing_op(*args, **kwargs):
            raise NotImplementedError(
                f"the MMCV op '{name}' was called, but the installed mmcv has no compiled ops. Remedy: use a component that does "
                'without it, or replace mmcv-lite by a compiled mmcv (pip uninstall mmcv-lite; pip install "mmcv==2.1.0")'
            )

        missing_op.__name__ = name
        return missing_op

    @staticmethod
    def nms(boxes, scores, iou_threshold: float, offset: int):
        """``offset=1`` counts pixels inclusively, (x2 - x1 + 1): the same IoU as boxes whose far corner moves by 1."""
        import torchvision

        if offset:
            boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
        return torchvision.ops.nms(boxes, scores, iou_threshold)

    @staticmethod
    def get_compiler_version() -> str:
        """Asked for by ``collect_env``, which logs the environment of every run."""
        return 'none (mmcv without compiled ops)'

    get_compiling_cuda_version = get_compiler_version


def provide_mmcv_ops() -> None:
    """Without compiled ops (mmcv-lite, the OneDL wheels, mmcv built with ``MMCV_WITH_OPS=0``) MMDetection fails at import with
    ``No module named 'mmcv._ext'``. Compiled ops win where they exist and load."""
    try:
        importlib.import_module('mmcv._ext')
        return
    except ModuleNotFoundError as error:
        if error.name != 'mmcv._ext':
            raise
    except ImportError as error:
        warnings.warn(f"mmcv's compiled ops do not load and are not used: {error}", stacklevel=2)
    stand_in = _OpsStandIn('mmcv._ext')
    # mmengine.utils.mmcv_full_available reads the spec.
    stand_in.__spec__ = ModuleSpec('mmcv._ext', None)
    sys.modules['mmcv._ext'] = stand_in
    sys.modules['mmcv']._ext = stand_in


def allow_checkpoint_types() -> None:
    """torch >= 2.6 reads checkpoints with ``weights_only=True`` and refuses MMEngine's own: the log history in them is of types
    unknown to it. These types are data only, so the safe reader stays on."""
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    def history_buffer_method(owner, name):
        # HistoryBuffer refers to its own statistics by getattr; the real one would let a file reach for anything.
        if owner is HistoryBuffer and name in ('mean', 'max', 'min', 'current'):
            return getattr(owner, name)
        raise pickle.UnpicklingError(f'Unsupported global: getattr({owner}, {name!r})')

    multiarray = importlib.import_module('numpy._core.multiarray' if hasattr(np, '_core') else 'numpy.core.multiarray')
    # NumPy 2 moved these; a checkpoint has the name of the version that wrote it.
    arrays = [
        (getattr(multiarray, name), f'numpy.{core}.multiarray.{name}')
        for name in ('_reconstruct', 'scalar')
        for core in ('core', '_core')
    ]
    dtypes = [type(np.dtype(name)) for name in ('bool', 'uint8', 'int32', 'int64', 'float16', 'float32', 'float64')]
    torch.serialization.add_safe_globals(
        [HistoryBuffer, (history_buffer_method, 'builtins.getattr'), np.ndarray, np.dtype, *dtypes, *arrays]
    )


def keep_weights_only() -> None:
    """onedl-mmengine 0.10.12 reads a file that the safe reader refuses a second time with ``weights_only=False``, which runs
    whatever code the file holds. The refusal stays a refusal."""
    from mmengine.runner import checkpoint

    load = getattr(checkpoint, '_safe_torch_load', None)
    if load is not None:
        checkpoint._safe_torch_load = lambda file, map_location=None, weights_only=True: load(
            file, map_location=map_location, weights_only=weights_only
        )


def resolve_config_names() -> None:
    """``_base_ = 'ssd_plugin::ssd300_voc.py'``: MMEngine (0.10.7, onedl 0.10.12) resolves ``name::`` only for packages in its own
    table, wants a folder in the path, and makes the name the registry scope of what it read. The components here live in
    MMDetection's registries, so such a config is read as if it were a local one, which keeps the scope."""
    from mmengine.config import Config

    original = Config._get_cfg_path

    def get_cfg_path(cfg_path, filename):
        scope, separator, name = cfg_path.partition('::')
        if separator and scope == CONFIG_SCOPE:
            return str(config_path(name)), None
        return original(cfg_path, filename)

    Config._get_cfg_path = staticmethod(get_cfg_path)


def find_models_by_name() -> None:
    """Make MMEngine find the models of ``model-index.yml`` as ``get_config('ssd_plugin::NAME.py')`` and
    ``DetInferencer('ssd_plugin::NAME')``.

    MMEngine (0.10.7, onedl 0.10.12) knows only the packages of OpenMMLab, requires a folder in the path of a config, and
    searches for a model in the package whose registries build it, which here is MMDetection.
    """
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.hub import hub
    from mmengine.infer import BaseInferencer

    MODULE2PACKAGE[CONFIG_SCOPE] = CONFIG_SCOPE
    split_name, load_model = hub._get_package_and_cfg_path, BaseInferencer._load_model_from_metafile

    def get_package_and_cfg_path(cfg_path: str) -> tuple[str, str]:
        scope, separator, name = cfg_path.partition('::')
        return (scope, name) if separator and scope == CONFIG_SCOPE else split_name(cfg_path)

    def load_model_from_metafile(self: BaseInferencer, model: str) -> tuple[Config, str | None]:
        scope, separator, name = model.partition('::')
        if not separator or scope != CONFIG_SCOPE:
            return load_model(self, model)
        registry_scope, self.scope = self.scope, scope
        try:
            return load_model(self, name)
        finally:
            self.scope = registry_scope

    hub._get_package_and_cfg_path = get_package_and_cfg_path
    BaseInferencer._load_model_from_metafile = load_model_from_metafile


def resolve_config_path(path: str, relative_to: str = '') -> str:
    """Return the file that a config name stands for.

    Args:
        path: Path of a config, or ``PACKAGE::NAME``.
        relative_to: The config that names it in ``_base_``; empty for one that the user gave.
    """
    from mmengine.config import Config

    return Config._get_cfg_path(path, relative_to)[0]


def base_files(path: str) -> list[str]:
    """Return the configs that a config inherits directly, as its ``_base_`` writes them."""
    from mmengine.config import Config

    return Config._get_base_files(path)


def config_path(name: str) -> Path:
    """Return the path of one of the configs that come with the package.

    Args:
        name: Path relative to the folder of configs, for example ``'ssd300_voc.py'`` or ``'bccd/ssd_depthwise_bccd.py'``.

    Raises:
        FileNotFoundError: There is no such config. The message names the configs with the same file name or, if there are
            none, all of them.
    """
    folder = Path(__file__).parent / '.mim' / 'configs'
    path = folder / name
    if not path.is_file():
        known = sorted(
            p.relative_to(folder).as_posix()
            for p in folder.rglob('*.py')
            if '_base_' not in p.relative_to(folder).parts
        )
        namesakes = [other for other in known if Path(other).name == Path(name).name]
        hint = f'did you mean {" or ".join(namesakes)}?' if namesakes else f'it has: {", ".join(known)}'
        raise FileNotFoundError(f"ssd_plugin has no config '{name}' in {folder}; {hint}")
    return path


def replace_pkg_resources() -> None:
    """MMEngine 0.10.7 looks packages up with ``pkg_resources``, which setuptools dropped in version 81 and new virtual
    environments lack; ``_base_ = 'mmdet::...'`` fails there. ``importlib`` knows the same."""
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    import mmengine.hub.hub
    import mmengine.utils.package_utils as package_utils
    from mmengine.config.utils import MODULE2PACKAGE

    modules = {package: module for module, package in MODULE2PACKAGE.items()}

    def find(package):
        return importlib.util.find_spec(modules.get(package, package))

    def is_installed(package: str) -> bool:
        return find(package) is not None

    def get_installed_path(package: str) -> str:
        spec = find(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f'{package} is not installed')
        return os.path.dirname(spec.origin)

    for name, replacement in (('is_installed', is_installed), ('get_installed_path', get_installed_path)):
        for module in (package_utils, mmengine.utils, mmengine.config.config, mmengine.hub.hub):
            if hasattr(module, name):
                setattr(module, name, replacement)


def start_gloo_without_gpu() -> None:
    """MMEngine's launchers (0.10.7, onedl 0.10.12) call ``torch.cuda.set_device`` and wrap the model for a GPU. Without one,
    the ``pytorch`` launcher starts a gloo group, and the model is wrapped for the CPU."""
    import torch
    from mmengine.dist import utils as dist_utils
    from mmengine.runner import Runner

    start, wrap = dist_utils._init_dist_pytorch, Runner.wrap_model

    def init_dist_pytorch(backend, init_backend='torch', **kwargs):
        if torch.cuda.is_available():
            return start(backend, init_backend=init_backend, **kwargs)
        return torch.distributed.init_process_group(backend='gloo', **kwargs)

    def wrap_model(self, model_wrapper_cfg, model):
        if self.distributed and not torch.cuda.is_available():
            defaults = dict(
                type='MMDistributedDataParallel',
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get('find_unused_parameters', False),
            )
            model_wrapper_cfg = {**defaults, **(model_wrapper_cfg or {}), 'device_ids': None}
        return wrap(self, model_wrapper_cfg, model)

    dist_utils._init_dist_pytorch = init_dist_pytorch
    Runner.wrap_model = wrap_model


def install() -> None:
    """Check the versions and make every adaptation. Called once by ``import ssd_plugin``."""
    check_torch_pair()
    check_openmmlab_versions()
    provide_mmcv_ops()
    allow_checkpoint_types()
    keep_weights_only()
    resolve_config_names()
    find_models_by_name()
    replace_pkg_resources()
    start_gloo_without_gpu()
