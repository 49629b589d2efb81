import pytest
from longpo_trainer.errors import LongPOError
from longpo_trainer.retention import remove_folders


def test_masters_and_steps_go_and_the_checkpoint_stays(tmp_path):
    for name in ("master", "steps", "checkpoint"):
        (tmp_path / "demo" / "one" / name).mkdir(parents=True)
    folders = [tmp_path / "demo" / "one" / name for name in ("master", "steps")]
    remove_folders(folders, tmp_path / "demo")
    remove_folders(folders, tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo" / "one").iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("path", ["demo/one/checkpoint", "demo/steps", "other/one/steps", "demo/../other/one/steps"])
def test_anything_else_is_refused_and_nothing_removed(tmp_path, path):
    for folder in (tmp_path / "demo" / "one" / "steps", tmp_path / path):
        folder.mkdir(parents=True, exist_ok=True)
    with pytest.raises(LongPOError) as refused:
        remove_folders([tmp_path / "demo" / "one" / "steps", tmp_path / path], tmp_path / "demo")
    assert (refused.value.exit_code, refused.value.code) == (2, "CONFIG_INVALID")
    assert (tmp_path / "demo" / "one" / "steps").exists()
    assert (tmp_path / path).exists()


def test_a_link_does_not_lead_out(tmp_path):
    (tmp_path / "other" / "one" / "steps").mkdir(parents=True)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "one").symlink_to(tmp_path / "other" / "one")
    with pytest.raises(LongPOError):
        remove_folders([tmp_path / "demo" / "one" / "steps"], tmp_path / "demo")
    assert (tmp_path / "other" / "one" / "steps").exists()
