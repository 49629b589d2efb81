"""The objective (paper Eq. 12 and 14): its identities, its two forms for several turns, and chunked log-probs."""

import math

import pytest
import torch
import torch.nn.functional as F
from longpo_trainer.layout import Branch, pack
from longpo_trainer.loss import METRICS, longpo_loss, token_log_probs
from torch.utils._python_dispatch import TorchDispatchMode


def values(sums, nll_tokens=10, reference=(0.0, 0.0), beta=0.1, lambda_=1.0, nll_weight=1.0) -> dict[str, float]:
    """``reference`` None: the method has none."""
    reference = None if reference is None else torch.tensor(reference, dtype=torch.float64)
    loss, metrics = longpo_loss(
        torch.tensor(sums, dtype=torch.float64), nll_tokens, reference, beta, lambda_, nll_weight
    )
    assert metrics[0] == loss
    return dict(zip(METRICS, metrics.tolist(), strict=True))


def test_proof_09_preference_is_ln_2_where_policy_and_reference_agree():
    found = values([-5.0, -7.0, -30.0], reference=(-5.0, -7.0))
    assert found["loss/preference"] == pytest.approx(math.log(2), rel=1e-12)
    assert (found["rewards/margins"], found["rewards/accuracies"]) == (0, 0)


def test_proof_09_preference_is_ln_2_where_both_answers_are_the_same():
    """C = R: policy and reference give either answer the same log-prob, whatever the two think of it."""
    found = values([-5.0, -5.0, -30.0], reference=(-9.0, -9.0))
    assert found["loss/preference"] == pytest.approx(math.log(2), rel=1e-12)


def test_proof_09_preference_goes_to_ln_2_with_beta():
    for beta in (1e-3, 1e-6, 1e-9):
        found = values([-5.0, -70.0, -30.0], beta=beta)["loss/preference"]
        assert abs(found - math.log(2)) <= beta * 65


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


def test_each_term_has_its_weight():
    found = values([-5.0, -7.0, -30.0], nll_tokens=12, lambda_=0.25, nll_weight=3.0)
    assert found["loss"] == pytest.approx(0.25 * found["loss/preference"] + 3 * 2.5)
    alone = values([-5.0, -7.0, -30.0], nll_tokens=12, lambda_=1.0, nll_weight=0.0)
    assert alone["loss"] == pytest.approx(alone["loss/preference"])


def test_without_a_reference_the_loss_is_the_nll():
    found = values([-5.0, 0.0, -30.0], nll_tokens=6, reference=None, lambda_=0.7, nll_weight=2.0)
    assert found["loss"] == pytest.approx(10.0)
    assert found["logps/chosen"] == -5
    assert [found[name] for name in METRICS if name.startswith("rewards") or name == "loss/preference"] == [0] * 5


def test_proof_09_per_turn_with_one_turn_is_the_joint_loss():
    """The reference comes as one pair, or as a list of one pair for each turn."""
    sums, pair = [-5.0, -7.0, -30.0], (-6.0, -5.5)
    assert values(sums, reference=pair, beta=0.3) == values(sums, reference=(pair,), beta=0.3)


def test_per_turn_is_the_mean_of_a_preference_for_each_turn():
    turns = [((-5.0, -7.0), (-6.0, -5.5)), ((-3.0, -2.0), (-1.0, -4.0))]
    sums = [value for policy, _ in turns for value in policy]
    both = values([*sums, -30.0], reference=[reference for _, reference in turns], beta=0.3)
    single = [values([*policy, -30.0], reference=reference, beta=0.3) for policy, reference in turns]
    for name in METRICS:
        assert both[name] == pytest.approx((single[0][name] + single[1][name]) / 2), name
    assert both["rewards/accuracies"] == 0.5


def test_the_joint_loss_of_two_turns_is_that_of_their_joint_log_probs():
    """As released: one logistic loss of the summed log-probs, which is no mean of two of them."""
    per_turn = values([-5.0, -7.0, -3.0, -2.0, -30.0], reference=[(-6.0, -5.5), (-1.0, -4.0)], beta=0.3)
    joint = values([-8.0, -9.0, -30.0], reference=(-7.0, -9.5), beta=0.3)
    margin = 0.3 * ((-8.0 + 7.0) - (-9.0 + 9.5))
    assert joint["loss/preference"] == pytest.approx(math.log1p(math.exp(-margin)))
    assert joint["loss/preference"] != pytest.approx(per_turn["loss/preference"], rel=1e-3)


@pytest.mark.parametrize(
    ("sums", "reference"),
    [
        ([-5.0, -7.0, -30.0], [-6.0, -5.5]),
        ([-5.0, -7.0, -3.0, -2.0, -30.0], [[-6.0, -5.5], [-1.0, -4.0]]),
        ([-5.0, 0.0, -30.0], None),
    ],
)
def test_proof_09_gradient_equals_finite_differences(sums, reference):
    at = torch.tensor(sums, dtype=torch.float64, requires_grad=True)
    constants = None if reference is None else torch.tensor(reference, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: longpo_loss(x, 12, constants, 0.3, 0.7, 1.3)[0], (at,))
    step = 1e-5
    gradient = torch.autograd.grad(longpo_loss(at, 12, constants, 0.3, 0.7, 1.3)[0], at)[0]
    for place in range(len(sums)):
        shift = torch.zeros_like(at)
        shift[place] = step
        high, low = (longpo_loss(at.detach() + s * shift, 12, constants, 0.3, 0.7, 1.3)[0] for s in (1, -1))
        assert gradient[place].item() == pytest.approx(((high - low) / (2 * step)).item(), abs=1e-8)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_proof_05_chunked_log_probs_and_gradients_do_not_depend_on_the_chunk(chunk: int):
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


class LargestTensor(TorchDispatchMode):
    """Watches the elements of everything that torch computes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_defect_02_no_tensor_holds_the_logits_of_more_than_one_chunk():
    """Defect 2 of the released code: full-vocabulary logits of all positions in f32, forward and backward."""
    tokens, size, vocabulary, chunk = 640, 8, 500, 32
    hidden = torch.randn(tokens, size, requires_grad=True)
    weight = torch.randn(vocabulary, size, requires_grad=True)
    targets = torch.randint(0, vocabulary, (tokens,))
    with LargestTensor() as largest:
        token_log_probs(hidden, weight, targets, chunk).sum().backward()
    assert largest.elements == chunk * vocabulary
    with LargestTensor() as control:
        F.cross_entropy(hidden @ weight.T, targets, reduction="sum").backward()
    assert control.elements == tokens * vocabulary


def test_defect_07_pads_weigh_nothing():
    """Defect 7 of the released code: pads were trained on and counted in the mean."""
    branches = Branch(torch.tensor([3, 4]), torch.tensor([True, True])), Branch(torch.tensor([5]), torch.tensor([True]))
    plain, padded = (pack(torch.tensor([1, 2]), *branches, degree) for degree in (1, 7))
    assert len(padded.input_ids) == 7
    assert plain.nll_tokens == padded.nll_tokens == 3
    for name in ("positions", "targets", "weights"):
        assert getattr(plain, name).equal(getattr(padded, name))
