"""The constants of a recipe in training scripts for Keras; an emitter gives them their values."""

from typing import Any

INPUT: tuple[int, ...] = (32, 32, 3)  # height, width, channels
CLASSES: int = 10
MODE: str = "RGB"
STREAMS: bool = False
RESIZES: bool = False
RESIZE: tuple[int, int] = (32, 32)  # width, height
PAD: int = 0  # zeros added on each side
CROPS: bool = False
CROP: str = "random"
SMALLEST: Any = 0.08  # part of an image, or shorter side
LARGEST: Any = 1.0  # part of an image, or shorter side
RATIO: float = 4 / 3  # of the sides of a part, at most
TEN_CROPS: bool = False
SCALE: float = 1.0
STANDARDIZE: str = "channel"
ROTATION: float = 0.0  # largest angle, in degrees
SHEAR: float = 0.0  # largest angle, in degrees
SHIFT: float = 0.0  # largest share of a side
ZOOM: float = 0.0  # largest change of a side's scale
FILL: str = "nearest"
FLIP: str = "none"
LIGHTING: float = 0.0  # deviation of the noise along the principal colours
BATCH_SIZE: int = 32  # images per step
EPOCHS: int = 1
STEPS: int = 0  # in all
STEPS_PER_EPOCH: int = 0
OPTIMIZER: str = "adam"
LEARNING_RATE: float = 0.001
WEIGHT_DECAY: float = 0.0  # times the weights, added to the gradient
SCHEDULE: str = "constant"
FACTOR: float = 0.1  # by which the learning rate falls
EVERY: int = 10  # epochs after which it falls
MINIMUM: float = 0.0  # learning rate
WARMUP: float = 0.0  # epochs
LOSS: str = "cross_entropy"
LABEL_SMOOTHING: float = 0.0
VALIDATION: float = 0.1  # share of the images that is held out
METRIC: str = "accuracy"
MONITOR: str = "val_accuracy"
PATIENCE: int = 0  # epochs without improvement after which training stops
PRECISION: str = "float32"
OUTPUT: str = "probabilities"
SEED: int = 0
