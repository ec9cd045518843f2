"""The layers of FiLM against hand-computed numbers, shapes and counts of parameters."""

from dataclasses import replace

import pytest
import torch

from vqaudio.nn.film import (
    AddCoordinates,
    Classifier,
    Concatenation,
    FeatureExtractor,
    FiLM,
    FiLMGenerator,
    ResBlock,
    SameConvolution,
)
from vqaudio.questions.film import COURSEWORK, QuestionModel

VOCABULARY, ANSWERS = 90, 28


def count(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def coursework():
    torch.manual_seed(0)
    config = replace(COURSEWORK, vocabulary=tuple(map(str, range(VOCABULARY))), answers=tuple(map(str, range(ANSWERS))))
    return QuestionModel(config).eval()


def test_film_scales_and_shifts_each_channel():
    film = FiLM(2, 2)
    with torch.no_grad():
        film.gamma.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        film.gamma.bias.copy_(torch.tensor([0.0, 1.0]))
        film.beta.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        film.beta.bias.copy_(torch.tensor([0.5, 0.0]))
    h = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # [1, 2, 1, 2]
    # gamma = (3, 1 + 2 * 5) and beta = (5 + 0.5, 3)
    expected = torch.tensor([[[[8.5, 11.5]], [[36.0, 47.0]]]])
    torch.testing.assert_close(film(h, torch.tensor([[3.0, 5.0]])), expected)


def test_coordinates_at_the_corners_and_when_switched_off():
    h = torch.zeros(2, 3, 5, 7)
    maps = AddCoordinates()(h)[:, 3:]
    assert maps.shape == (2, 2, 5, 7)
    assert maps[0, :, 0, 0].tolist() == [-1, -1] and maps[1, :, 4, 6].tolist() == [1, 1]
    assert maps[0, :, 0, 6].tolist() == [-1, 1]
    torch.testing.assert_close(maps[0, :, 2, 3], torch.zeros(2))
    rows_only, columns_only = AddCoordinates(columns=False)(h)[:, 3:], AddCoordinates(rows=False)(h)[:, 3:]
    assert torch.equal(rows_only[:, 0], maps[:, 0]) and not rows_only[:, 1].any()
    assert torch.equal(columns_only[:, 1], maps[:, 1]) and not columns_only[:, 0].any()
    assert count(AddCoordinates()) == 0


def test_block_normalises_without_affine_and_adds_its_first_convolution():
    block = ResBlock(10, 8, 4).eval()
    assert not list(block.norm.parameters()) and block.norm.running_mean.shape == (8,)
    with torch.no_grad():
        for linear in (block.film.gamma, block.film.beta):  # FiLM gives 0: what remains is the skip connection
            linear.weight.zero_()
            linear.bias.zero_()
    h = torch.randn(2, 10, 5, 5)
    torch.testing.assert_close(block(h, torch.randn(2, 4)), block.project(h).relu())


def test_padding_changes_no_question():
    torch.manual_seed(0)
    generator = FiLMGenerator(20).eval()
    tokens = torch.tensor([[3, 7, 5, 0, 0, 0]])
    alone = generator(tokens[:, :3], torch.tensor([3]))
    garbage = torch.tensor([[3, 7, 5, 9, 9, 9]])
    assert torch.equal(generator(tokens, torch.tensor([3])), alone)
    assert torch.equal(generator(garbage, torch.tensor([3])), alone)
    assert not torch.equal(generator(garbage, torch.tensor([4])), alone)


@pytest.mark.parametrize(("size", "stride"), [(224, 2), (7, 2), (9, 4), (3, 4)])
def test_same_padding_gives_the_size_divided_by_the_stride_rounded_up(size, stride):
    out = SameConvolution(1, 2, 4, stride)(torch.zeros(1, 1, size, size + 1))
    assert out.shape == (1, 2, -(-size // stride), -(-(size + 1) // stride))


def test_classifier_takes_the_maximum_over_all_cells():
    classifier = Classifier(3, 8, 8, 5)
    h = torch.randn(2, 3, 4, 6)
    shuffled = h.flatten(2)[:, :, torch.randperm(24)].view_as(h)
    torch.testing.assert_close(classifier(h), classifier(shuffled))
    twice = torch.cat([h, h], -1)
    torch.testing.assert_close(classifier(h), classifier(twice))


def test_the_coursework_network_has_its_numbers_of_parameters(coursework):
    c = coursework
    assert count(c.extractor) == (16 * 3 * 128 + 128) + (16 * 128 * 128 + 128) + 2 * 2 * 128
    gru = lambda inputs: 3 * 128 * (inputs + 128 + 2)  # noqa: E731
    assert count(c.generator) == 64 * VOCABULARY + gru(64) + gru(128)
    assert len(c.blocks) == 1
    film = 2 * (128 * 128 + 128)
    assert count(c.blocks[0].film) == film
    assert count(c.blocks) == (130 * 128 + 128) + (9 * 128 * 128 + 128) + film
    assert count(c.classifier) == (130 * 512 + 512) + (512 * 512 + 512) + (512 * ANSWERS + ANSWERS)
    assert count(c.coordinates) == 0


def test_the_coursework_network_has_its_shapes(coursework):
    features = coursework.features(torch.rand(2, 224, 224, 3))
    assert features.shape == (2, 128, 56, 56)
    tokens, lengths = torch.randint(2, VOCABULARY, (2, 9)), torch.tensor([9, 4])
    assert coursework.generator(tokens, lengths).shape == (2, 128)
    blocks = coursework.condition(features, tokens, lengths)
    assert blocks.shape == (2, 128, 56, 56)
    assert coursework.classify(blocks).shape == (2, ANSWERS)


def test_the_number_of_blocks_is_a_setting_and_only_the_first_differs():
    narrow = replace(COURSEWORK, extractor_channels=(16, 24), channels=32)
    model = QuestionModel(replace(narrow, vocabulary=("", ""), answers=("a",), n_blocks=4))
    assert [block.project.in_channels for block in model.blocks] == [26, 34, 34, 34]


def test_extractor_has_a_stage_for_each_stride():
    extractor = FeatureExtractor(1, (4, 8, 16), ((4, 4), (4, 2), (4, 2))).eval()
    assert extractor(torch.rand(1, 1, 64, 300)).shape == (1, 16, 1, 19)


def test_concatenation_depends_on_the_question_in_every_cell():
    layer = Concatenation(4, 8)
    h = torch.zeros(1, 8, 2, 3)
    one, other = layer(h, torch.zeros(1, 4)), layer(h, torch.ones(1, 4))
    assert one.shape == h.shape and ((one - other).abs() > 0).all()


def test_coordinates_are_switched_off_in_a_copy_that_shares_the_weights(coursework):
    off = coursework.with_coordinates(rows=True, columns=False)
    features, tokens, lengths = torch.randn(1, 128, 6, 6), torch.tensor([[2, 3]]), torch.tensor([2])
    assert not torch.equal(off.answer(features, tokens, lengths), coursework.answer(features, tokens, lengths))
    assert coursework.coordinates.columns and not off.coordinates.columns
    assert off.classifier.answers.weight is coursework.classifier.answers.weight
