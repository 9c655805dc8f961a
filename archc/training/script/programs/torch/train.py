"""The program of which training scripts for PyTorch are specializations, below its constants,
what reads images and what makes batches: the constants decide its conditions, and what they rule
out is not written."""

import gc
import os
import sys
import time
from argparse import ArgumentParser, Namespace, RawTextHelpFormatter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.optim import lr_scheduler

from archc.training.script.programs.stand_in import Network
from archc.training.script.programs.torch.batches import (
    add_up,
    epoch_batches,
    mean_image,
    split,
    standardization,
)
from archc.training.script.programs.torch.constants import (
    BFLOAT16,
    CLASSES,
    CROPS,
    EPOCHS,
    FILL,
    FLIPS,
    INPUT,
    LABEL_SMOOTHING,
    LIGHTING,
    LOSS,
    MEMORY_FORMAT,
    METRIC,
    MOVES,
    OUTPUT,
    PARTS,
    PATIENCE,
    PRECISION,
    PROCESSES,
    RANK,
    REJECTION,
    ROTATION,
    SCALE,
    SCHEDULE,
    SEED,
    SHEAR,
    SHIFT,
    SOFTMAX,
    STANDARDIZE,
    STEPS,
    STREAMS,
    SYNC_BATCH_NORM,
    TEN_CROPS,
    VALIDATION,
    WARMUP,
    ZOOM,
)
from archc.training.script.programs.torch.images import (
    Photos,
    load,
    read_images,
)

if MOVES:

    def move(images: Tensor) -> Tensor:
        """Rotate, zoom and shift each image at random, in one resampling."""
        count, _, height, width = images.shape
        draws = torch.rand(6, count, device=images.device) * 2 - 1
        angle = torch.deg2rad(draws[0] * ROTATION)
        zoom_x, zoom_y = 1 + draws[1] * ZOOM, 1 + draws[2] * ZOOM
        # From a pixel to the place that it comes from, where both sides are 2 long.
        if SHEAR:
            slope = torch.deg2rad(draws[5] * SHEAR).tan()
            sine, cosine = angle.sin(), angle.cos()
            x = [cosine * zoom_x, (cosine * slope - sine) * zoom_y * (height / width)]
            y = [sine * zoom_x * (width / height), (sine * slope + cosine) * zoom_y]
        else:
            x = [angle.cos() * zoom_x, -angle.sin() * zoom_y * (height / width)]
            y = [angle.sin() * zoom_x * (width / height), angle.cos() * zoom_y]
        rows = [*x, draws[3] * (2 * SHIFT), *y, draws[4] * (2 * SHIFT)]
        matrices = torch.stack(rows, dim=1).view(count, 2, 3)
        grid = nn.functional.affine_grid(matrices, list(images.shape), align_corners=False)
        return nn.functional.grid_sample(images, grid, padding_mode=FILL, align_corners=False)


if CROPS:

    def crop(images: Tensor, *, at_random: bool) -> Tensor:
        """Parts as large as the network's input: each at random, or the middle."""
        parts = images.unfold(2, INPUT[1], 1).unfold(3, INPUT[2], 1)
        rows, columns = parts.shape[2:4]
        if not at_random:
            return parts[:, :, (rows - 1) // 2, (columns - 1) // 2]
        tops, lefts = torch.randint(rows, (len(images),)), torch.randint(columns, (len(images),))
        return parts[torch.arange(len(images)), :, tops, lefts]


if TEN_CROPS:

    def ten_crops(model: nn.Module, mean: Tensor, deviation: Tensor, images: Tensor) -> Tensor:
        """Log of the mean probabilities of corners, centre and their mirror images."""
        down, right = images.shape[2] - INPUT[1], images.shape[3] - INPUT[2]
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        parts = [images[:, :, i : i + INPUT[1], j : j + INPUT[2]] for i, j in corners]
        output = model(
            standardize(torch.cat([*parts, *(part.flip(-1) for part in parts)]), mean, deviation)
        )
        return output.double().unflatten(0, (10, -1)).softmax(dim=2).mean(dim=0).log()


if LIGHTING:

    def light(images: Tensor) -> Tensor:
        """Add noise along the principal components of the batch's colours."""
        values, vectors = torch.linalg.eigh(torch.cov(images.movedim(1, 0).flatten(1)))
        noise = torch.randn(len(images), INPUT[0], device=images.device) * LIGHTING
        return images + (noise * values @ vectors.T)[:, :, None, None] / 255


def standardize(images: Tensor, *_values: Any) -> Tensor:
    """Images less their mean, over their deviation: the emitter writes the recipe's."""
    raise NotImplementedError


def make_optimizer(*_values: Any) -> torch.optim.Optimizer:
    """The optimizer: the emitter writes the recipe's."""
    raise NotImplementedError


if SCHEDULE not in ("constant", "plateau") or WARMUP:

    def make_schedule(*_values: Any) -> lr_scheduler.LRScheduler:
        """The schedule of the learning rate, over steps: the emitter writes the recipe's."""
        raise NotImplementedError


if SCHEDULE == "plateau":

    def make_plateau(*_values: Any) -> lr_scheduler.ReduceLROnPlateau:
        """The schedule of the learning rate, over epochs: the emitter writes the recipe's."""
        raise NotImplementedError


if SOFTMAX:

    def leave_out_softmax(_model: nn.Module) -> None:
        """Logits in place of the last layer's probabilities: the emitter writes its name."""
        raise NotImplementedError


def build_model() -> nn.Module:
    """The network, with weights that follow from the seed."""
    torch.manual_seed(SEED)
    if not SOFTMAX and MEMORY_FORMAT == "channels_last":
        return Network().to(memory_format=torch.channels_last)
    if not SOFTMAX and MEMORY_FORMAT == "channels_last_3d":
        return Network().to(memory_format=torch.channels_last_3d)
    if not SOFTMAX:
        return Network()
    model = Network()
    leave_out_softmax(model)  # its softmax is part of the loss
    if MEMORY_FORMAT == "channels_last":
        return model.to(memory_format=torch.channels_last)
    if MEMORY_FORMAT == "channels_last_3d":
        return model.to(memory_format=torch.channels_last_3d)
    return model


def scores(model: Any, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The mean loss of a batch, and the sums of losses, right answers and images."""
    if PRECISION == "float32":
        output = model(images)
    elif PRECISION == "auto" and OUTPUT == "log_probabilities":  # too close on a CPU
        with torch.autocast("cuda", torch.bfloat16, torch.cuda.is_bf16_supported()):
            output = model(images).float()
    elif PRECISION == "auto":
        fast = torch.cuda.is_bf16_supported() if images.is_cuda else BFLOAT16
        with torch.autocast(images.device.type, torch.bfloat16, fast):
            output = model(images).float()
    elif PRECISION == "bfloat16":
        with torch.autocast(images.device.type, torch.bfloat16):
            output = model(images).float()
    else:
        with torch.autocast(images.device.type, torch.float16):
            output = model(images).float()
    if OUTPUT == "distances":
        output = -output
    if LOSS == "maximum_a_posteriori":
        # y_D + log(e^-j + sum of e^-y_i) of distances y (LeCun et al. 1998, equation 9).
        total = torch.cat([output, torch.full_like(output[:, :1], -REJECTION)], dim=1)
        losses = total.logsumexp(dim=1) - output.gather(1, labels[:, None])[:, 0]
    elif LOSS == "mean_squared_error":
        targets = nn.functional.one_hot(labels, CLASSES)
        if SOFTMAX:
            output = output.softmax(dim=1)
        if OUTPUT == "log_probabilities":
            output = output.exp()
        losses = (output - targets).square().mean(dim=1)
    elif LABEL_SMOOTHING:
        losses = nn.functional.cross_entropy(
            output, labels, reduction="none", label_smoothing=LABEL_SMOOTHING
        )
    elif OUTPUT == "log_probabilities":
        losses = nn.functional.nll_loss(output, labels, reduction="none")
    else:
        losses = nn.functional.cross_entropy(output, labels, reduction="none")
    if METRIC == "top_5_accuracy":
        right = (output.topk(5).indices == labels[:, None]).any(dim=1)
    else:
        right = output.argmax(dim=1) == labels
    columns = torch.stack([losses.detach(), right, torch.ones_like(losses)])
    return losses.mean(), columns.sum(dim=1, dtype=torch.float64)


def predict(arguments: Namespace, data: Any, device: torch.device) -> None:
    """Write the number of each image's class, by the best weights."""
    state = torch.load(arguments.out / "best.pt", map_location=device)
    model = build_model().to(device).eval().requires_grad_(False)
    model.load_state_dict(state["model"])
    if STANDARDIZE == "dataset" or STANDARDIZE == "channel":
        mean, deviation = state["input"]
    elif STANDARDIZE != "none" and not TEN_CROPS:
        mean = state["mean"]
    rows = ["ImageId,Label"]
    for images, _ in load(
        data, epoch_batches(np.arange(len(data.labels if STREAMS else data[0])), 0), device
    ):
        if SCALE != 1.0:
            images = images * SCALE
        if CROPS and not TEN_CROPS:
            images = crop(images, at_random=False)
        if STANDARDIZE != "none" and not TEN_CROPS:
            images = standardize(images, mean, deviation)
        if OUTPUT == "distances":
            for label in model(images).argmin(dim=1).tolist():
                rows.append(f"{len(rows)},{label}")
        elif TEN_CROPS and (STANDARDIZE == "pixel_mean" or STANDARDIZE == "channel_mean"):
            for label in ten_crops(model, state["mean"], deviation, images).argmax(dim=1).tolist():
                rows.append(f"{len(rows)},{label}")
        elif TEN_CROPS:
            for label in ten_crops(model, mean, deviation, images).argmax(dim=1).tolist():
                rows.append(f"{len(rows)},{label}")
        else:
            for label in model(images).argmax(dim=1).tolist():
                rows.append(f"{len(rows)},{label}")
    arguments.predict.write_text("\n".join(rows) + "\n")


def train(arguments: Namespace, data: Any, device: torch.device) -> None:
    """Train, and save the last epoch and the best one."""
    if arguments.resume != (arguments.out / "last.pt").exists():
        sys.exit(f"{arguments.out}: --resume is for a run that is there already")
    if VALIDATION:
        held_out, training = split(data.labels if STREAMS else data[1].numpy())
        if len(held_out) == 0 or len(np.unique(data.labels if STREAMS else data[1])) < 2:
            sys.exit(f"{arguments.data}: too few images, or no labels of two classes")
    else:
        training = np.arange(len(data.labels if STREAMS else data[1]))
        if len(np.unique(data.labels if STREAMS else data[1])) < 2:
            sys.exit(f"{arguments.data}: too few images, or no labels of two classes")
    model = build_model().to(device)
    if SYNC_BATCH_NORM and PROCESSES > 1:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    network = nn.parallel.DistributedDataParallel(model) if PROCESSES > 1 else model
    if STANDARDIZE == "pixel_mean" or STANDARDIZE == "channel_mean":
        mean = mean_image(data, training, device)
    elif STANDARDIZE != "none":
        mean, deviation = standardization(data, training, device)
    if STEPS or WARMUP or SCHEDULE in ("step", "piecewise"):
        epoch_steps = len(epoch_batches(training, 1))
    if SCHEDULE == "cosine" and STEPS:
        steps = STEPS
    if SCHEDULE == "cosine" and not STEPS:
        steps = arguments.epochs * len(epoch_batches(training, 1))
    optimizer = make_optimizer(model)
    if WARMUP:
        begin = max(1, round(WARMUP * epoch_steps))
    if SCHEDULE not in ("constant", "plateau") or WARMUP:
        schedule = make_schedule(optimizer, begin, steps)
    if SCHEDULE == "plateau":
        plateau = make_plateau(optimizer)
    if SCHEDULE == "plateau" and WARMUP:
        parts = [model, optimizer, schedule, plateau]
    elif SCHEDULE == "plateau":
        parts = [model, optimizer, plateau]
    elif SCHEDULE != "constant" or WARMUP:
        parts = [model, optimizer, schedule]
    else:
        parts = [model, optimizer]
    if PRECISION == "float16":
        scaler = torch.amp.GradScaler(device.type)
        parts.append(scaler)
    first, best = 1, -float("inf")
    if PATIENCE:
        waited = 0
    if arguments.resume:
        saved = torch.load(arguments.out / "last.pt", map_location=device)
        if SCHEDULE == "cosine" and not STEPS and saved["steps"] != steps:
            sys.exit(f"{arguments.out}: its learning rate falls over other --epochs")
        for part, state in zip(parts, saved["parts"], strict=True):
            part.load_state_dict(state)
        first, best = saved["epoch"] + 1, saved["best"]
        if PATIENCE:
            waited = saved["waited"]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for epoch in range(first, (-(-STEPS // epoch_steps) if STEPS else arguments.epochs) + 1):
        start = time.perf_counter()
        torch.manual_seed(SEED + epoch * PROCESSES + RANK)
        if STEPS:
            batches = epoch_batches(training, epoch)[: STEPS - (epoch - 1) * epoch_steps]
        else:
            batches = epoch_batches(training, epoch)
        if VALIDATION:
            sums, held = torch.zeros(2, 3, dtype=torch.float64, device=device)
        else:
            sums = torch.zeros(3, dtype=torch.float64, device=device)
        network.train()
        if PARTS:
            data.training = True
        for images, labels in load(data, batches, device):
            if MOVES:
                images = move(images)
            for axis in FLIPS:
                mirrored = torch.rand(len(images), 1, 1, 1, device=device) < 0.5
                images = torch.where(mirrored, images.flip(axis), images)
            if CROPS:
                images = crop(images, at_random=True)
            if LIGHTING:
                images = light(images)
            if SCALE != 1.0:
                images = images * SCALE
            loss, batch_sums = scores(network, standardize(images, mean, deviation), labels)
            optimizer.zero_grad()
            if PRECISION == "float16":
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
            else:
                loss.backward()
                optimizer.step()
            if SCHEDULE not in ("constant", "plateau") or WARMUP:
                schedule.step()
            sums = sums + batch_sums
        mean_loss, metric = (add_up(sums)[:2] / sums[2]).tolist()
        text = f"epoch {epoch}  loss {mean_loss:.4f}  accuracy {metric:.2%}"
        if VALIDATION:
            model.eval()
            if PARTS:
                data.training = False
            for images, labels in load(data, epoch_batches(held_out, 0), device):
                if CROPS and not TEN_CROPS:
                    images = crop(images, at_random=False)
                if SCALE != 1.0:
                    images = images * SCALE
                if STANDARDIZE != "none" and not TEN_CROPS:
                    images = standardize(images, mean, deviation)
                with torch.no_grad():
                    held = (
                        held
                        + scores(
                            partial(ten_crops, model, mean, deviation) if TEN_CROPS else model,
                            images,
                            labels,
                        )[1]
                    )
            mean_loss, metric = (add_up(held)[:2] / held[2]).tolist()
            text = f"{text}  validation {mean_loss:.4f}  {metric:.2%}"
        if METRIC == "loss":
            metric = -mean_loss
        if SCHEDULE == "plateau":
            plateau.step(metric)
        if RANK == 0:
            print(f"{text}  {time.perf_counter() - start:.1f} s", flush=True)
        if PATIENCE:
            waited = waited + 1 if metric <= best else 0
        if metric > best:
            best = metric
            if STANDARDIZE == "none":
                save(arguments.out / "best.pt", {"model": model.state_dict()})
            elif STANDARDIZE == "pixel_mean" or STANDARDIZE == "channel_mean":
                save(arguments.out / "best.pt", {"model": model.state_dict(), "mean": mean})
            else:
                weights = {"model": model.state_dict(), "input": (mean, deviation)}
                save(arguments.out / "best.pt", weights)
        states = [part.state_dict() for part in parts]
        if PATIENCE and SCHEDULE == "cosine" and not STEPS:
            saved = {"epoch": epoch, "best": best, "waited": waited, "steps": steps}
            save(arguments.out / "last.pt", {**saved, "parts": states})
        elif PATIENCE:
            saved = {"epoch": epoch, "best": best, "waited": waited, "parts": states}
            save(arguments.out / "last.pt", saved)
        elif SCHEDULE == "cosine" and not STEPS:
            saved = {"epoch": epoch, "best": best, "steps": steps, "parts": states}
            save(arguments.out / "last.pt", saved)
        else:
            save(arguments.out / "last.pt", {"epoch": epoch, "best": best, "parts": states})
        if PATIENCE and waited == PATIENCE:
            break


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a file whole or not at all."""
    if RANK == 0:
        torch.save(content, f"{path}.part")
        os.replace(f"{path}.part", path)


def main() -> None:
    """Train or predict, in one process or in each of torchrun's."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="an .npz file, or a folder of images")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the run")
    parser.add_argument("--resume", action="store_true", help="resume the run")
    if not STEPS:
        parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--predict", type=Path, help="a CSV file of labels to write")
    arguments = parser.parse_args()
    if arguments.data.suffix != ".npz" and not arguments.data.is_dir():
        parser.error(f"{arguments.data} is no .npz file: `archc data pack` makes one")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if PROCESSES > 1:
        distributed.init_process_group()
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    run = predict if arguments.predict else train
    run(arguments, Photos(arguments.data) if STREAMS else read_images(arguments.data), device)
    if PROCESSES > 1:
        gc.collect()  # a model that is left in a cycle would outlive the group
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
