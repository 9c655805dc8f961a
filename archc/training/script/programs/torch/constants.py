"""The constants of a recipe in training scripts for PyTorch; an emitter gives them their values."""

import os

import torch

INPUT: tuple[int, ...] = (3, 32, 32)  # channels, height, width
CLASSES: int = 10
MODE: str = "RGB"
ENDINGS: tuple[str, ...] = ("png",)
STREAMS: bool = False
RESIZES: bool = False
SQUARE: bool = False
RESIZE: tuple[int, int] = (32, 32)  # width, height
PAD: int = 0  # zeros added on each side
CROPS: bool = False
PARTS: bool = False
MIDDLE: bool = False
CROP: str = "random"
AREAS: tuple[float, float] = (0.08, 1.0)  # smallest and largest part of an image
RATIO: float = 4 / 3  # of the sides of a part, at most
SIDES: tuple[int, int] = (256, 512)  # smallest and largest shorter side
TEN_CROPS: bool = False
SCALE: float = 1.0
STANDARDIZE: str = "channel"
MOVES: bool = False
ROTATION: float = 0.0  # largest angle, in degrees
SHEAR: float = 0.0  # largest angle, in degrees
SHIFT: float = 0.0  # largest share of a side
ZOOM: float = 0.0  # largest change of a side's scale
FILL: str = "border"
FLIPS: tuple[int, ...] = ()
LIGHTING: float = 0.0  # deviation of the noise along the principal colours
BATCH_SIZE: int = 32  # images per step, over all processes
EPOCHS: int = 1
STEPS: int = 0  # in all
STEPS_PER_EPOCH: int = 0
LEARNING_RATE: float = 0.001
SCHEDULE: str = "constant"
WARMUP: float = 0.0  # epochs
LOSS: str = "cross_entropy"
LABEL_SMOOTHING: float = 0.0
REJECTION: float = 1.0  # distance from which classes are pushed away less
VALIDATION: float = 0.1  # share of the images that is held out
METRIC: str = "accuracy"
PATIENCE: int = 0  # epochs without improvement after which training stops
PRECISION: str = "float32"
SYNC_BATCH_NORM: bool = False
OUTPUT: str = "logits"
SOFTMAX: bool = False
MEMORY_FORMAT: str = ""
SEED: int = 0
RANK = int(os.environ.get("RANK", "0"))  # set by torchrun, as is the next
PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))
BFLOAT16 = bool(torch.cpu.get_capabilities().get("avx512_bf16"))  # is fast on the CPU
WORKERS = min(8, os.cpu_count() or 1)  # processes that decode images
