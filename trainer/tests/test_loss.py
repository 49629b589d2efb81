"""Identities of the objective (paper Eq. 12 and 14), and log-probs that do not depend on the chunk."""

import math

import pytest
import torch
import torch.nn.functional as F
from longpo_trainer.layout import Branch, pack
from longpo_trainer.loss import METRICS, longpo_loss, token_log_probs


def values(sums, nll_tokens=10, reference=(0.0, 0.0), beta=0.1, lambda_=1.0) -> dict[str, float]:
    loss, metrics = longpo_loss(torch.tensor(sums), nll_tokens, torch.tensor(reference), beta, lambda_)
    assert metrics[0] == loss
    return dict(zip(METRICS, metrics.tolist(), strict=True))


def test_preference_is_ln_2_where_policy_and_reference_agree():
    assert values([-5.0, -7.0, -30.0], reference=(-5.0, -7.0))["loss/preference"] == pytest.approx(math.log(2))


def test_preference_goes_to_ln_2_with_beta():
    assert values([-5.0, -70.0, -30.0], beta=1e-9)["loss/preference"] == pytest.approx(math.log(2))


def test_both_reference_terms_are_subtracted():
    found = values([-5.0, -7.0, -30.0], reference=(-6.0, -5.0), beta=0.5)
    assert found["rewards/chosen"] == pytest.approx(0.5)
    assert found["rewards/rejected"] == pytest.approx(-1.0)
    assert found["rewards/margins"] == pytest.approx(1.5)
    assert found["loss/preference"] == pytest.approx(-math.log(1 / (1 + math.exp(-1.5))))
    assert found["rewards/accuracies"] == 1


def test_lambda_zero_leaves_the_nll_of_prompt_and_chosen():
    found = values([-5.0, -7.0, -30.0], nll_tokens=12, lambda_=0.0)
    assert found["loss"] == found["loss/nll"] == pytest.approx(2.5)


def test_gradient_equals_finite_differences():
    sums = torch.tensor([-5.0, -7.0, -30.0], dtype=torch.float64, requires_grad=True)

    def loss(at):
        return longpo_loss(at, 12, torch.tensor([-6.0, -5.5], dtype=torch.float64), 0.3, 0.7)[0]

    assert torch.autograd.gradcheck(loss, (sums,))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_chunked_log_probs_and_gradients_do_not_depend_on_the_chunk(chunk: int):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(20, 8, generator=generator, requires_grad=True)
    weight = torch.randn(31, 8, generator=generator, requires_grad=True)
    targets = torch.randint(0, 31, (20,), generator=generator)
    scale = torch.randn(20, generator=generator)
    expected = -F.cross_entropy(hidden @ weight.T, targets, reduction="none")
    wanted = torch.autograd.grad((expected * scale).sum(), (hidden, weight))
    found = token_log_probs(hidden, weight, targets, chunk)
    gradients = torch.autograd.grad((found * scale).sum(), (hidden, weight))
    assert torch.allclose(found, expected, atol=1e-6)
    for gradient, reference in zip(gradients, wanted, strict=True):
        assert torch.allclose(gradient, reference, atol=1e-5)


def test_pads_weigh_nothing():
    branches = Branch(torch.tensor([3, 4]), torch.tensor([True, True])), Branch(torch.tensor([5]), torch.tensor([True]))
    plain, padded = (pack(torch.tensor([1, 2]), *branches, degree) for degree in (1, 7))
    assert plain.nll_tokens == padded.nll_tokens
    assert plain.weights.sum(0).equal(padded.weights.sum(0))
