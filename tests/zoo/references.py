"""Figures of networks from outside: what their libraries and papers publish.

torchvision's are those of its weights' metadata (`num_params`, and `_ops` in units of 10^9, which
are multiply-accumulates in three decimals), typed here again, so that neither a wrong `expect` of a
spec nor a wrong rule of an op can pass.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from tests.test_specs import MACS


class Published(NamedTuple):
    """Parameters, and 10^9 multiply-accumulates of one sample, rounded to three decimals."""

    params: int
    giga_macs: float


TORCHVISION = {
    "alexnet_torchvision": Published(61_100_840, 0.714),
    "convnext_base": Published(88_591_464, 15.355),
    "convnext_large": Published(197_767_336, 34.361),
    "convnext_small": Published(50_223_688, 8.684),
    "convnext_tiny": Published(28_589_128, 4.456),
    "deeplabv3_resnet50": Published(42_004_074, 178.722),
    "densenet121": Published(7_978_856, 2.834),
    "densenet161": Published(28_681_000, 7.728),
    "densenet169": Published(14_149_480, 3.36),
    "densenet201": Published(20_013_928, 4.291),
    "efficientnet_b0": Published(5_288_548, 0.386),
    "efficientnet_b1": Published(7_794_184, 0.687),
    "efficientnet_b2": Published(9_109_994, 1.088),
    "efficientnet_b3": Published(12_233_232, 1.827),
    "efficientnet_b4": Published(19_341_616, 4.394),
    "efficientnet_b5": Published(30_389_784, 10.266),
    "efficientnet_b6": Published(43_040_704, 19.068),
    "efficientnet_b7": Published(66_347_960, 37.746),
    "efficientnet_v2_l": Published(118_515_272, 56.08),
    "efficientnet_v2_m": Published(54_139_356, 24.582),
    "efficientnet_v2_s": Published(21_458_488, 8.366),
    "fcn_resnet50": Published(35_322_218, 152.717),
    "googlenet": Published(6_624_904, 1.498),
    "inception_v3": Published(27_161_264, 5.713),
    "lraspp_mobilenet_v3_large": Published(3_221_538, 2.086),
    "maxvit_t": Published(30_919_624, 5.558),
    "mc3_18": Published(11_695_440, 43.343),
    "mnasnet0_5": Published(2_218_512, 0.104),
    "mnasnet0_75": Published(3_170_208, 0.215),
    "mnasnet1_0": Published(4_383_312, 0.314),
    "mnasnet1_3": Published(6_282_256, 0.526),
    "mobilenet_v2": Published(3_504_872, 0.301),
    "mobilenet_v3_large": Published(5_483_032, 0.217),
    "mobilenet_v3_small": Published(2_542_856, 0.057),
    "r2plus1d_18": Published(31_505_325, 40.519),
    "r3d_18": Published(33_371_472, 40.697),
    "regnet_x_16gf": Published(54_278_536, 15.941),
    "regnet_x_1_6gf": Published(9_190_136, 1.603),
    "regnet_x_32gf": Published(107_811_560, 31.736),
    "regnet_x_3_2gf": Published(15_296_552, 3.177),
    "regnet_x_400mf": Published(5_495_976, 0.414),
    "regnet_x_800mf": Published(7_259_656, 0.8),
    "regnet_x_8gf": Published(39_572_648, 7.995),
    "regnet_y_128gf": Published(644_812_894, 374.57),
    "regnet_y_16gf": Published(83_590_140, 15.912),
    "regnet_y_1_6gf": Published(11_202_430, 1.612),
    "regnet_y_32gf": Published(145_046_770, 32.28),
    "regnet_y_3_2gf": Published(19_436_338, 3.176),
    "regnet_y_400mf": Published(4_344_144, 0.402),
    "regnet_y_800mf": Published(6_432_512, 0.834),
    "regnet_y_8gf": Published(39_381_472, 8.473),
    "resnet101": Published(44_549_160, 7.801),
    "resnet152": Published(60_192_808, 11.514),
    "resnet18": Published(11_689_512, 1.814),
    "resnet34": Published(21_797_672, 3.664),
    "resnet50": Published(25_557_032, 4.089),
    "resnext101_32x8d": Published(88_791_336, 16.414),
    "resnext101_64x4d": Published(83_455_272, 15.46),
    "resnext50_32x4d": Published(25_028_904, 4.23),
    "shufflenet_v2_x0_5": Published(1_366_792, 0.04),
    "shufflenet_v2_x1_0": Published(2_278_604, 0.145),
    "shufflenet_v2_x1_5": Published(3_503_624, 0.296),
    "shufflenet_v2_x2_0": Published(7_393_996, 0.583),
    "squeezenet1_0": Published(1_248_424, 0.819),
    "squeezenet1_1": Published(1_235_496, 0.349),
    "swin_b": Published(87_768_224, 15.431),
    "swin_s": Published(49_606_258, 8.741),
    "swin_t": Published(28_288_354, 4.491),
    "swin_v2_b": Published(87_930_848, 20.325),
    "swin_v2_s": Published(49_737_442, 11.546),
    "swin_v2_t": Published(28_351_570, 5.94),
    "vgg11": Published(132_863_336, 7.609),
    "vgg11_bn": Published(132_868_840, 7.609),
    "vgg13": Published(133_047_848, 11.308),
    "vgg13_bn": Published(133_053_736, 11.308),
    "vgg16": Published(138_357_544, 15.47),
    "vgg16_bn": Published(138_365_992, 15.47),
    "vgg19": Published(143_667_240, 19.632),
    "vgg19_bn": Published(143_678_248, 19.632),
    "vit_b_16": Published(86_567_656, 17.564),
    "vit_b_32": Published(88_224_232, 4.409),
    "vit_h_14": Published(632_045_800, 167.295),
    "vit_l_16": Published(304_326_632, 61.555),
    "vit_l_32": Published(306_535_400, 15.378),
    "wide_resnet101_2": Published(126_886_696, 22.753),
    "wide_resnet50_2": Published(68_883_240, 11.398),
}
"""By the name of the spec; those of `inception_v3` are with its auxiliary head."""

OTHER_SIZE = {"lraspp_mobilenet_v3_large"}
"""Published for inputs of 520 x 520, which take enlarging by 65/33; the spec's are 512 x 512."""

AUXILIARY = {"inception_v3": 27_161_264 - 23_834_568}
"""The parameters of heads for training alone that a spec leaves out: torchvision's count of the
network with `aux_logits` less that without."""

ZEROED = {
    # As many in a block as it has channels.
    "swin_v2_t": 2 * 96 + 2 * 192 + 6 * 384 + 2 * 768,
    "swin_v2_s": 2 * 96 + 2 * 192 + 18 * 384 + 2 * 768,
    "swin_v2_b": 2 * 128 + 2 * 256 + 18 * 512 + 2 * 1024,
}
"""The biases of keys that torchvision counts and sets to zero in every call: specs have none."""

KERAS = {
    "convnext_base": 88_591_464,
    "convnext_large": 197_767_336,
    "convnext_small": 50_223_688,
    "convnext_tiny": 28_589_128,
    "convnext_xlarge": 350_196_968,
    "densenet121_keras": 7_978_856,
    "densenet169_keras": 14_149_480,
    "densenet201_keras": 20_013_928,
    "efficientnet_b0_keras": 5_288_548,
    "efficientnet_b1_keras": 7_794_184,
    "efficientnet_b2_keras": 9_109_994,
    "efficientnet_b3_keras": 12_233_232,
    "efficientnet_b4_keras": 19_341_616,
    "efficientnet_b5_keras": 30_389_784,
    "efficientnet_b6_keras": 43_040_704,
    "efficientnet_b7_keras": 66_347_960,
    "efficientnet_v2_b0": 7_139_704,
    "efficientnet_v2_b1": 8_141_052,
    "efficientnet_v2_b2": 10_096_086,
    "efficientnet_v2_b3": 14_358_406,
    "efficientnet_v2_s_keras": 21_458_488,
    "efficientnet_v2_m_keras": 54_139_356,
    "efficientnet_v2_l_keras": 118_515_272,
    "inception_resnet_v2": 55_813_192 + 30_272,
    "inception_v3_keras": 23_817_352 + 17_216,
    "mobilenet": 4_231_976,
    "mobilenet_v2_keras": 3_504_872,
    "mobilenet_v3_large_keras": 5_483_032,
    "mobilenet_v3_small_keras": 2_542_856,
    "nasnet_large": 88_753_150,
    "nasnet_mobile": 5_289_978,
    "resnet50_v1": 25_583_592,
    "resnet101_v1": 44_601_832,
    "resnet152_v1": 60_268_520,
    "resnet50_v2": 25_568_360,
    "resnet101_v2": 44_577_896,
    "resnet152_v2": 60_236_904,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "xception": 22_855_952,
}
"""Trainable parameters of keras.applications' models."""

COEFFICIENTS = {"inception_resnet_v2": 30_272, "inception_v3_keras": 17_216}
"""Of specs that normalize with a coefficient for each channel where keras.applications does not:
their number, which is in their parameters."""

GIGA_MACS = {
    # By hand from the papers' figures.
    **{name: count / 1e9 for name, count in MACS.items() if name not in TORCHVISION},
    # The card of timm's `inception_resnet_v2`.
    "inception_resnet_v2": 13.2,
    # torchvision's metadata of the same networks.
    "inception_v3_keras": TORCHVISION["inception_v3"].giga_macs,
    "mobilenet_v3_small_keras": TORCHVISION["mobilenet_v3_small"].giga_macs,
    # The documentation of `keras.applications.nasnet`, `mobilenet_v2` and `MobileNetV3Large`.
    "nasnet_large": 23.8,
    "nasnet_mobile": 0.564,
    "mobilenet_v2_keras": 0.300,
    "mobilenet_v3_large_keras": 0.217,
    # timm's results table: 12.6.
    "mlp_mixer_b16": 12.6,
    # The table of CondenseNet's README: 569 million.
    "mobilenet": 0.569,
    # Sermanet et al. 2014, table 4: 2810 million connections, biases among them.
    "overfeat": 2.80,
    # Ultralytics: 8.7 GFLOPs, two for each multiply-accumulate, at 640 x 640.
    "yolov8n": 8.7 / 2,
}
"""10^9 multiply-accumulates of a sample that papers and libraries publish, within 1.5 percent."""

OTHERS = {
    # Hinton & Salakhutdinov 2006: 784-1000-500-250-30 and back.
    "autoencoder": sum(
        a * b + b for a, b in pairwise((784, 1000, 500, 250, 30, 250, 500, 1000, 784))
    ),
    # Hugging Face's `albert-base-v2`, with its pooler.
    "albert_base_v2": 11_683_584,
    # Hugging Face's `bert-base-uncased`, with its pooler.
    "bert_base": 109_482_240,
    # 65 characters, and two layers of 512 units with four gates.
    "char_lstm": 65 * 512 + 2 * 4 * (512 * 512 + 512 * 512 + 512) + 512 * 65 + 65,
    # timm's `convmixer_768_32` and `convmixer_1536_20`.
    "convmixer_768_32": 21_110_248,
    "convmixer_1536_20": 51_625_960,
    # PyTorch's DCGAN example.
    "dcgan_generator": 3_576_704,
    "dcgan_discriminator": 2_765_568,
    # Hugging Face's `gpt2`, `Meta-Llama-3-8B`, `Mistral-7B-v0.1` and `Qwen2.5-0.5B`.
    "gpt2": 124_439_808,
    "llama_3_8b": 8_030_261_248,
    "mistral_7b": 7_241_732_096,
    "qwen2_5_0_5b": 494_032_768,
    # 20,000 words, and 100 units with three gates and two biases each way.
    "gru_tagger": 20_000 * 100 + 2 * 3 * (100 * 100 + 100 * 100 + 2 * 100) + 200 * 17 + 17,
    # LeCun et al. 1990: "98442 connections, and 2578 independent parameters".
    "lenet1": 2_578,
    # LeCun et al. 1998, section III.C: 4 maps, 8 subsampled ones, 16 maps of three each, as many
    # subsampled ones, 120 and 10 units.
    "lenet4": 4 * 26 + 8 * 2 + 16 * (3 * 25 + 1) + 16 * 2 + 120 * (16 * 25 + 1) + 10 * 121,
    # timm's `mixer_b16_224`.
    "mlp_mixer_b16": 59_880_472,
    # Caffe's model zoo, CIFAR-10: nine convolutions.
    "network_in_network": sum(
        k * k * a * b + b
        for k, a, b in (
            (5, 3, 192),
            (1, 192, 160),
            (1, 160, 96),
            (5, 96, 192),
            (1, 192, 192),
            (1, 192, 192),
            (3, 192, 192),
            (1, 192, 192),
            (1, 192, 10),
        )
    ),
    # Sermanet et al. 2014, table 1; table 4 has 145 million.
    "overfeat": 34_944
    + 614_656
    + 1_180_160
    + 4_719_616
    + 9_438_208
    + 113_249_280
    + 12_587_008
    + 4_097_000,
    # Koch, Zemel, Salakhutdinov 2015, figure 4: four convolutions, 4096 units, one logit.
    "siamese": sum(k * k * a * b + b for k, a, b in ((10, 1, 64), (7, 64, 128), (4, 128, 128)))
    + 4 * 4 * 128 * 256
    + 256
    + 6 * 6 * 256 * 4096
    + 4096
    + 4096
    + 1,
    # Vaswani et al. 2017, table 3, with 65 million: 37,000 words, 12 feed-forward networks, 18
    # attentions and 30 normalizations; their attentions have no biases.
    "transformer_base": 37_000 * 512
    + 12 * (2 * 512 * 2048 + 2048 + 512)
    + 18 * 4 * (512 * 512 + 512)
    + 30 * 2 * 512,
    # Ronneberger et al. 2015, figure 1: two convolutions on each of nine levels, four
    # enlargements, and one convolution of a single element.
    "unet": sum(
        9 * (a * b + b * b) + 2 * b
        for a, b in (
            (1, 64),
            (64, 128),
            (128, 256),
            (256, 512),
            (512, 1024),
            (1024, 512),
            (512, 256),
            (256, 128),
            (128, 64),
        )
    )
    + sum(4 * 2 * b * b + b for b in (512, 256, 128, 64))
    + 64 * 2
    + 2,
    # Ten layers of 32 channels and 512 skips, of the last one the skip alone.
    "wavenet": 2 * 256 * 32
    + 32
    + 10 * (2 * (2 * 32 * 32 + 32) + 32 * 512 + 512)
    + 9 * (32 * 32 + 32)
    + 512 * 512
    + 512
    + 512 * 256
    + 256,
    # Hugging Face's `whisper-tiny`, whose sinusoids are parameters.
    "whisper_tiny": 37_760_640,
    # Ultralytics: trainable parameters of `yolov8n.yaml`.
    "yolov8n": 3_157_184,
    # Zeiler & Fergus 2014, figure 3.
    "zfnet": 14_208 + 614_656 + 885_120 + 1_327_488 + 884_992 + 37_752_832 + 16_781_312 + 4_097_000,
}
"""Parameters by papers and by other implementations, with the layers where it takes these."""
