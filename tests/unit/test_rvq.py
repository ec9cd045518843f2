"""The quantiser, case by case; its laws are in tests/property/test_rvq_laws.py."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vqaudio.nn.rvq import ResidualVQ

REPO = Path(__file__).resolve().parents[2]


def plain(words, **more):
    """One stage with the given codewords [V, D]."""
    words = torch.as_tensor(words, dtype=torch.float64)
    rvq = ResidualVQ(words.shape[1], 1, len(words), kmeans_steps=0, **more).double()
    with torch.no_grad():
        rvq.codebooks[0].codewords.copy_(words)
    if hasattr(rvq.codebooks[0], "sums"):
        rvq.codebooks[0].sums.copy_(words)
    return rvq


def as_batch(rows):
    """[n, D] -> [1, D, n]."""
    return torch.as_tensor(rows, dtype=torch.float64).T[None]


# --- statistics ----------------------------------------------------------------------------------------------------


def test_perplexity_and_usage_of_known_ids():
    rvq = plain([[0.0], [10.0], [20.0], [30.0]]).eval()
    result = rvq(as_batch([[0.0], [0.1], [10.0], [20.0]]))
    assert result.ids[0, 0].tolist() == [0, 0, 1, 2]
    assert result.usage.tolist() == [0.75]
    assert result.perplexity.item() == pytest.approx(math.exp(0.5 * math.log(2) + 2 * 0.25 * math.log(4)))


def test_of_a_batch_that_is_all_padding_everything_is_zero_and_finite():
    rvq = plain([[0.0], [1.0]])
    before = rvq.codebooks[0].codewords.clone()
    result = rvq(as_batch([[5.0], [6.0]]), torch.zeros(1, 2, dtype=torch.bool))
    assert result.commitment_loss == 0 and result.usage == 0 and result.perplexity == 1
    assert not result.quantised.any()
    assert torch.equal(rvq.codebooks[0].codewords, before)


def test_the_commitment_loss_is_the_mean_squared_error_over_what_is_in_use():
    rvq = plain([[0.0, 0.0], [10.0, 10.0]]).eval()
    result = rvq(as_batch([[1.0, 0.0], [10.0, 13.0], [500.0, 0.0]]), torch.tensor([[True, True, False]]))
    assert result.commitment_loss.item() == pytest.approx((1 / 2 + 9 / 2) / 2)
    assert rvq.loss(result).item() == pytest.approx(0.25 * 2.5)


# --- moving average ------------------------------------------------------------------------------------------------


def test_a_codeword_without_mass_keeps_its_vector():
    rvq = plain([[0.0, 0.0], [100.0, 100.0]], restart_every=0)
    rvq(as_batch([[1.0, 1.0]]))
    codebook = rvq.codebooks[0]
    assert codebook.codewords[1].tolist() == [100.0, 100.0] and codebook.mass[1] == 0
    assert codebook.codewords.isfinite().all()


def test_a_codeword_that_is_not_used_for_very_long_stays_where_it_is():
    rvq = plain([[0.0], [1000.0]], restart_every=0, decay=0.7).float()
    x = torch.tensor([[[0.0, 998.0]]])
    for _ in range(20):
        rvq(x)
    place = rvq.codebooks[0].codewords[1].clone()
    for _ in range(400):  # 0.7^400 is 0 in float32, and on the way there it has ever fewer digits
        rvq(x[..., :1])
    torch.testing.assert_close(rvq.codebooks[0].codewords[1], place)


def test_dead_codewords_are_put_onto_vectors_of_the_batch_that_count():
    rvq = plain([[0.0], [1e4], [-1e4]], restart_every=1)
    x = as_batch([[1.0], [2.0], [3.0], [777.0]])
    rvq(x, torch.tensor([[True, True, True, False]]))
    words = rvq.codebooks[0].codewords.flatten().tolist()
    assert all(word in (1.0, 2.0, 3.0) for word in words[1:]), words
    rvq(x[..., :3])
    assert torch.allclose(rvq.codebooks[0].codewords * rvq.codebooks[0].mass[:, None], rvq.codebooks[0].sums)


def test_a_stage_that_nobody_uses_restarts_nothing():
    torch.manual_seed(0)
    rvq = ResidualVQ(2, 2, 4, kmeans_steps=0, restart_every=1)
    rvq(torch.randn(3, 2, 5))
    rvq.codebooks[1].mass[0] = 0.0
    before = rvq.codebooks[1].codewords.clone()
    rvq(torch.randn(3, 2, 5), None, torch.ones(3, dtype=torch.long))
    torch.testing.assert_close(rvq.codebooks[1].codewords, before)


def test_restarts_keep_a_codebook_in_use():
    def usage(restart_every):
        torch.manual_seed(0)
        rvq = ResidualVQ(4, 1, 32, kmeans_steps=0, restart_every=restart_every)
        for _ in range(60):
            result = rvq(torch.randn(8, 4, 50) + 5)
        return result.usage.item()

    assert usage(restart_every=5) > 0.9
    assert usage(restart_every=0) < 0.5


# --- k-means -------------------------------------------------------------------------------------------------------


def test_kmeans_puts_the_codewords_onto_the_data():
    torch.manual_seed(0)
    x = as_batch(torch.randn(8, 3) + 50)
    rvq = ResidualVQ(3, 1, 8, kmeans_steps=3).double()
    result = rvq(x)
    assert sorted(result.ids.flatten().tolist()) == list(range(8))
    torch.testing.assert_close(result.quantised, x)


def test_kmeans_takes_only_valid_vectors_and_fewer_vectors_than_codewords():
    rvq = ResidualVQ(1, 2, 8, kmeans_steps=3).double()
    result = rvq(as_batch([[4.0], [6.0], [1e9]]), torch.tensor([[True, True, False]]))
    assert result.quantised.flatten().tolist() == [4.0, 6.0, 0.0]
    assert rvq.codebooks[0].codewords.max() == 6.0


def test_kmeans_without_any_valid_vector_says_so():
    with pytest.raises(ValueError, match="no valid vector"):
        ResidualVQ(2, 1, 4)(torch.randn(1, 2, 3), torch.zeros(1, 3, dtype=torch.bool))


# --- the original objective, and the look-up -----------------------------------------------------------------------


def test_in_the_original_objective_each_loss_trains_its_own_side():
    """van den Oord et al. 2017, equation 3: |sg[z] - e|^2 + beta |z - sg[e]|^2, beta = 0.25."""
    torch.manual_seed(0)
    rvq = ResidualVQ(4, 1, 6, kmeans_steps=0, update="gradient").double()
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    result = rvq(x)
    rvq.loss(result).backward()
    rows = x.detach().movedim(1, -1).reshape(-1, 4)
    words = rvq.codebooks[0].codewords.detach()
    ids = (rows[:, None] - words).square().sum(-1).argmin(-1)
    errors = rows - words[ids]
    expected = torch.zeros_like(words).index_add_(0, ids, -2 * errors / errors.numel())
    torch.testing.assert_close(rvq.codebooks[0].codewords.grad, expected)
    torch.testing.assert_close(x.grad.movedim(1, -1).reshape(-1, 4), 0.25 * 2 * errors / errors.numel())
    torch.testing.assert_close(result.codebook_loss, result.commitment_loss)


def test_with_a_moving_average_nothing_is_left_to_the_optimiser():
    rvq = ResidualVQ(4, 2, 8)
    assert not list(rvq.parameters())
    assert rvq(torch.randn(2, 4, 9)).codebook_loss == 0


@pytest.mark.parametrize("more", [{"update": "gradient"}, {"lookup_dim": 2}, {"lookup_dim": 2, "update": "gradient"}])
def test_what_the_optimiser_trains_lowers_the_error(more):
    torch.manual_seed(0)
    x = torch.randn(8, 6, 40)
    rvq = ResidualVQ(6, 2, 16, kmeans_steps=0, **more)
    optimiser = torch.optim.Adam(rvq.parameters(), 1e-2)
    errors = []
    for _ in range(60):
        result = rvq(x)
        error = (result.quantised - x).square().mean()
        optimiser.zero_grad()
        (error + rvq.loss(result)).backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.8 * errors[0]


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_every_parameter_has_a_gradient_even_if_no_item_uses_all_stages(update):
    """DDP waits for every parameter's gradient."""
    rvq = ResidualVQ(4, 3, 8, lookup_dim=2, update=update)
    result = rvq(torch.randn(2, 4, 9), None, torch.tensor([1, 2]))
    (rvq.loss(result) + result.quantised.sum()).backward()
    assert all(parameter.grad is not None for parameter in rvq.parameters())


# --- the interface -------------------------------------------------------------------------------------------------


def test_a_restored_quantiser_goes_on_to_the_bit():
    torch.manual_seed(0)
    batches = torch.randn(6, 2, 3, 10)
    whole, first, second = (ResidualVQ(3, 2, 16, restart_every=2, restart_below=1.0) for _ in range(3))
    first.load_state_dict(whole.state_dict())
    for x in batches[:2]:  # a step count of its own, which the checkpoint's must replace
        second(x)

    def train(rvq, some):
        for number, x in some:
            torch.manual_seed(number)
            rvq(x)

    train(whole, enumerate(batches))
    train(first, enumerate(batches[:3]))
    second.load_state_dict(first.state_dict())
    train(second, list(enumerate(batches))[3:])
    assert int(whole.steps) == 6
    for (name, a), b in zip(whole.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_the_names_in_a_checkpoint():
    """Checkpoints hold these; whoever changes them breaks every trained model."""
    names = set(ResidualVQ(4, 1, 8).state_dict())
    assert names == {"steps", "codebooks.0.codewords", "codebooks.0.mass", "codebooks.0.sums"}


def test_some_stages_are_decoded_on_their_own():
    rvq = ResidualVQ(4, 3, 8).eval()
    ids = rvq.encode(torch.randn(2, 4, 5))
    parts = [rvq.decode(ids, (j,)) for j in range(3)]
    torch.testing.assert_close(rvq.decode(ids, (0, 2)), parts[0] + parts[2])
    torch.testing.assert_close(sum(parts), rvq.decode(ids))
    assert not rvq.decode(ids, ()).any()


@pytest.mark.parametrize("lookup_dim", [None, 2])
def test_the_nearest_words_begin_with_the_one_that_encoding_takes(lookup_dim):
    torch.manual_seed(0)
    rvq = ResidualVQ(4, 3, 8, lookup_dim=lookup_dim).eval()
    x = torch.randn(1, 4, 1)
    ids = rvq.encode(x)[0, :, 0]
    for stage in range(3):
        found, distances = rvq.nearest_words(x[0, :, 0], ids, stage, 8)
        assert found[0] == ids[stage] and sorted(found.tolist()) == list(range(8))
        assert (distances.diff() >= 0).all() and not distances.requires_grad


def test_a_distance_to_a_nearest_word_is_euclidean():
    found, distances = plain([[0.0, 0.0], [3.0, 4.0]]).nearest_words(torch.zeros(2).double(), torch.tensor([0]), 0, 2)
    assert found.tolist() == [0, 1] and distances.tolist() == [0.0, 5.0]


def test_what_it_refuses():
    with pytest.raises(ValueError, match="'ema' or 'gradient'"):
        ResidualVQ(4, 1, 8, update="adam")
    rvq = ResidualVQ(4, 2, 8)
    for wrong in ({"n_stages": 0}, {"n_stages": 3}, {"beam": 0}):
        with pytest.raises(ValueError, match="n_stages is 1 to 2"):
            rvq.encode(torch.randn(1, 4, 1), **wrong)
    with pytest.raises(IndexError):
        rvq.decode(torch.full((1, 2, 1), 8))


# --- several processes ---------------------------------------------------------------------------------------------

PROCESS = """
import sys, torch, torch.distributed as dist
from vqaudio.nn.rvq import ResidualVQ
rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
data = torch.load(f"{folder}/data.pt")
one_step = ResidualVQ(4, 3, 16, kmeans_steps=0, restart_every=0).double()
many_steps = ResidualVQ(4, 3, 16, kmeans_steps=2, restart_every=2, restart_below=1.0).double()
one_step.load_state_dict(data["state"])
many_steps.load_state_dict(data["state"])
torch.manual_seed(rank)  # the processes' random numbers differ, as their data do
one_step(data["x"][rank], data["valid"][rank], data["depths"][rank])
for step in range(5):
    depths = torch.randint(1, 4 - 2 * rank, (4,))  # the second process uses the first stage only
    many_steps(torch.randn(4, 4, 9, dtype=torch.float64) + 3 * rank, None, depths)
torch.save([one_step.state_dict(), many_steps.state_dict()], f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


def test_two_processes_with_different_data_hold_the_codebooks_of_one_with_all_of_it(tmp_path):
    torch.manual_seed(0)
    x, valid = torch.randn(2, 3, 4, 7, dtype=torch.float64), torch.rand(2, 3, 7) < 0.8
    depths = torch.tensor([[1, 2, 1], [2, 3, 3]])  # the first process never uses the last stage
    alone = ResidualVQ(4, 3, 16, kmeans_steps=0, restart_every=0).double()
    torch.save({"state": alone.state_dict(), "x": x, "valid": valid, "depths": depths}, tmp_path / "data.pt")
    environment = os.environ | {"PYTHONPATH": str(REPO), "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-c", PROCESS]
    processes = [subprocess.Popen([*command, str(rank), str(tmp_path)], env=environment) for rank in range(2)]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    alone(x.flatten(0, 1), valid.flatten(0, 1), depths.flatten())
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for state, same in zip(first, second, strict=True):
        assert all(torch.equal(state[name], same[name]) for name in state)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(first[0][name], value)


def test_fixed_codewords_stay_and_carry_no_averages():
    rvq = ResidualVQ(4, 2, 8, update="fixed")
    before = {name: value.clone() for name, value in rvq.state_dict().items() if "codewords" in name}
    rvq.train()(torch.randn(2, 4, 50))
    after = rvq.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not [name for name in after if "mass" in name or "sums" in name]


# --- precision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"lookup_dim": 8}, {"update": "gradient"}, {"lookup_dim": 8, "update": "gradient"}])
def test_under_autocast_the_quantiser_computes_as_without(settings):
    torch.manual_seed(0)
    rvq, x = ResidualVQ(16, 3, 32, restart_every=1, **settings), torch.randn(2, 16, 50)
    with torch.autocast("cpu", torch.bfloat16):
        loss = rvq.loss(rvq(x.requires_grad_()))  # a first step: k-means, restarts, moving averages
        loss.backward()
        rvq.eval()
        ids, result = rvq.encode(x, beam=4), rvq(x.bfloat16())
        sound, found = rvq.decode(ids), rvq.nearest_words(x[0, :, 0], ids[0, :, 0], 1, 3)
    assert torch.equal(ids, rvq.encode(x, beam=4)) and torch.equal(sound, rvq.decode(ids))
    assert torch.equal(result.quantised, rvq(x.bfloat16().float()).quantised) and result.quantised.dtype == torch.float32
    assert torch.equal(found[0], rvq.nearest_words(x[0, :, 0], ids[0, :, 0], 1, 3)[0]) and x.grad.isfinite().all()


@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_what_is_quantised_is_brought_to_the_codewords_precision(precision):
    rvq, x = ResidualVQ(16, 3, 32, kmeans_steps=0, lookup_dim=8).to(precision).eval(), torch.randn(2, 16, 50)
    assert rvq.decode(rvq.encode(x)).dtype == rvq(x).quantised.dtype == precision
