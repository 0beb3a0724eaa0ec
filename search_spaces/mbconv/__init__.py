"""Mobile inverted bottlenecks in a chain: one path, searched layer by layer."""

from nas.supernet import Family
from search_spaces.mbconv.attentive import attentive
from search_spaces.mbconv.bignas import bignas
from search_spaces.mbconv.bossnas import bossnas
from search_spaces.mbconv.fbnet import fbnet, fbnet_cifar
from search_spaces.mbconv.mnasnet import mnasnet
from search_spaces.mbconv.ofa import ofa, ofa_w1_2
from search_spaces.mbconv.ofa_proxyless import ofa_proxyless
from search_spaces.mbconv.ofa_resnet50 import ofa_resnet50
from search_spaces.mbconv.proxyless import proxyless, proxyless_w24
from search_spaces.mbconv.single_path import single_path
from search_spaces.mbconv.spos import spos

FAMILY = Family(
    presets={
        "single-path": single_path,
        "proxyless": proxyless,
        "proxyless-w24": proxyless_w24,
        "fbnet": fbnet,
        "fbnet-cifar": fbnet_cifar,
        "mnasnet": mnasnet,
        "spos": spos,
        "ofa": ofa,
        "ofa-w1.2": ofa_w1_2,
        "ofa-proxyless": ofa_proxyless,
        "ofa-resnet50": ofa_resnet50,
        "attentive": attentive,
        "bignas": bignas,
        "bossnas": bossnas,
    },
    default="single-path",
    summary="chains of mobile inverted bottlenecks (MBConv)",
)
