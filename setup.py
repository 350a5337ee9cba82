from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# The OpenMMLab packages are extras: whoever has a stack (mmcv with compiled ops, a fork, other versions) keeps it, as both
# MMDetection and the OneDL fork install the same import names. ssd_plugin.compat checks at import what it finds.
MMDET = ['mmengine>=0.10.7,<1.0', 'mmcv-lite>=2.1.0,<2.2.0', 'mmdet>=3.3.0,<4.0']
ONEDL = ['onedl-mmengine>=0.10.12,<1.0', 'onedl-mmcv>=2.3.6,<3.0', 'onedl-mmdetection>=3.5.1,<4.0']

setup(
    name='ssd_plugin',
    version='0.1.0',
    description='SSD (Single Shot MultiBox Detector) as a plugin for MMDetection',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    python_requires='>=3.10,<3.14',
    packages=find_packages(include=['ssd_plugin', 'ssd_plugin.*']),
    # Configs and tools travel where MMDetection's own wheel has them, so that _base_ = 'ssd_plugin::ssd300_voc.py' finds them.
    package_data={
        'ssd_plugin': [
            '.mim/model-index.yml',
            '.mim/configs/**/*.py',
            '.mim/configs/**/*.yml',
            '.mim/configs/**/*.md',
            '.mim/tools/*.py',
            '.mim/tools/dist_*.sh',
            '.mim/tools/slurm_*.sh',
            '.mim/tools/signals.sh',
        ]
    },
    install_requires=[
        'torch>=2.6',
        'torchvision>=0.21',
        'numpy',
        'packaging',  # compares versions in compat.py
        'pycocotools',  # COCO evaluation
        'matplotlib',  # plots of training curves
        'simplejpeg',  # decodes shares of JPEGs, faster and stricter than OpenCV
        'pillow',  # EXIF
    ],
    extras_require={
        'mmdet': MMDET,
        'onedl': ONEDL,
        # hypothesis: properties over generated boxes and batches; pytest-xdist: on all cores
        'test': ['pytest', 'hypothesis', 'pytest-xdist'],
    },
)
