"""What the schema of the train config cannot say: fields that contradict each other."""

import json

import pytest
from longpo_trainer.config import load_train_config
from longpo_trainer.environment import read_environment
from longpo_trainer.errors import LongPOError
from test_launch import CONFIG


def load(**fields: object):
    return load_train_config(read_environment({"LONGPO_CONFIG": json.dumps({**CONFIG, **fields})}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"method": "sft", "nllWeight": 0}, "nllWeight is 0 and method sft has no preference term"),
        ({"lambda": 0, "nllWeight": 0}, "nllWeight is 0 and lambda is 0"),
        ({"dataParallel": 2}, "sequenceParallel 3 x dataParallel 2 needs 6"),
    ],
)
def test_fields_that_leave_nothing_to_train_or_no_world_are_refused(fields, message):
    with pytest.raises(LongPOError, match=message) as refused:
        load(**fields)
    assert (refused.value.exit_code, refused.value.code) == (2, "CONFIG_INVALID")


def test_the_defaults_are_those_of_the_original_command():
    config = load()
    assert (config.method, config.beta, config.lambda_, config.nll_weight) == ("longpo", 0.01, 0.01, 1)
    assert (config.multi_turn_loss, config.learning_rate, config.optim) == ("joint", 5e-7, "rmsprop")
    assert load(nllWeight=0).nll_weight == 0, "the preference term alone is a loss"
