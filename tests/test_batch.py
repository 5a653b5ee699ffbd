import csv
import json
import os
import subprocess
import sys
import time
import wave
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animal_lipsync.batch import Journal, Result, Row, read_manifest, row_key, run_here
from animal_lipsync.cli import main
from animal_lipsync.commands.batch import columns, make
from animal_lipsync.image import to_pixels, write_picture
from animal_lipsync.video import probe
from tests.animals import as_document, make_face, soft_picture
from tests.jobs import write_or_die, write_source

SAMPLES = Path(__file__).parents[1] / "animal_lipsync" / "samples"
WIDTH, HEIGHT = 96, 80


def jobs(folder: Path, *sources: str) -> list[tuple[Row, str]]:
    rows = [Row(i, {"source": name, "output": f"{i}.txt"}) for i, name in enumerate(sources, 1)]
    return [(row, row_key(row, folder)) for row in rows]


@pytest.mark.slow
def test_a_row_whose_process_dies_takes_no_other_down(tmp_path):
    found = run_here(jobs(tmp_path, "a", "deadly", "b", "c"), write_or_die, workers=2, folder=tmp_path)
    results = {result.line: result for result in found}
    assert sorted(results) == [1, 2, 3, 4]
    assert "died" in results[2].error
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"1.txt": "a", "3.txt": "b", "4.txt": "c"}


def test_closing_the_results_ends_the_processes(tmp_path):
    results = run_here(jobs(tmp_path, *"abcdefghijklmnopqrstuvwxyz"), write_source, workers=2, folder=tmp_path)
    next(results)
    results.close()
    made = len(list(tmp_path.iterdir()))
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) == made < 26


@pytest.mark.skipif(os.name != "posix", reason="looks for processes by their session")
def test_workers_end_with_a_batch_that_is_killed(tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom animal_lipsync.batch import Row, run_here\n"
        "from tests.jobs import write_source\n"
        "if __name__ == '__main__':\n"
        "    jobs = [(Row(i, {'source': 'a', 'output': f'{i}.txt'}), str(i)) for i in range(99)]\n"
        "    list(run_here(jobs, write_source, workers=1, folder=Path(sys.argv[1])))"
    )
    (tmp_path / "run.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path)]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    while not (tmp_path / "0.txt").exists():
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    with pytest.raises(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.1)


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    """Ray keeps a token in the home folder, which is another one in each test."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@pytest.fixture
def cluster():
    """Ray on three nodes of one worker each, the first of which only keeps the books."""
    ray = pytest.importorskip("ray", reason="needs pip install 'animal-lipsync[cluster]'")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield cluster, [cluster.add_node(num_cpus=1) for _ in range(2)]
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
def test_ray_gives_the_same_results(tmp_path):
    ray = pytest.importorskip("ray", reason="needs pip install 'animal-lipsync[cluster]'")
    from animal_lipsync.cluster import run_on_ray

    try:
        results = {
            result.line: result for result in run_on_ray(jobs(tmp_path, *"abcdef"), write_source, folder=tmp_path)
        }
    finally:
        ray.shutdown()
    assert [results[line].output for line in range(1, 7)] == [f"{line}.txt" for line in range(1, 7)]
    assert (tmp_path / "6.txt").read_text() == "f"


@pytest.mark.slow
def test_a_node_that_is_lost_costs_no_row_on_ray(tmp_path, cluster):
    from animal_lipsync.cluster import run_on_ray

    cluster, nodes = cluster
    names = "abcdefghijklmnop"
    results = run_on_ray(jobs(tmp_path, *names), write_source, folder=tmp_path, address=cluster.address)
    done = [next(results) for _ in range(3)]
    cluster.remove_node(nodes[0], allow_graceful=False)
    done += results
    assert sorted(result.line for result in done) == list(range(1, 17))
    assert {result.output: (tmp_path / result.output).read_text() for result in done} == {
        f"{i}.txt": name for i, name in enumerate(names, 1)
    }


@pytest.fixture
def folder(tmp_path):
    write_picture(tmp_path / "cat.png", to_pixels(soft_picture(WIDTH, HEIGHT))[0])
    face = make_face(at=(48, 40), size=12, species="cat")
    (tmp_path / "cat.json").write_text(as_document(face, WIDTH, HEIGHT).to_json())
    with wave.open(str(SAMPLES / "voice.wav")) as voice, wave.open(str(tmp_path / "voice.wav"), "wb") as cut:
        cut.setparams(voice.getparams())
        cut.writeframes(voice.readframes(voice.getframerate() // 5))
    return tmp_path


@pytest.mark.slow
def test_one_long_video_is_drawn_on_all_nodes_of_a_ray_cluster(folder, cluster):
    from animal_lipsync.cluster import run_on_ray

    cluster, _ = cluster
    files = {"source": "cat.png", "voice": str(SAMPLES / "voice.wav"), "keypoints": "cat.json"}
    rows = [Row(1, {**files, "output": "long.mp4", "split": "1.5"}), Row(2, {**files, "output": "whole.mp4"})]
    results = list(
        run_on_ray([(row, row.options["output"]) for row in rows], make, folder=folder, address=cluster.address)
    )
    assert [result.error for result in results] == [None, None]
    assert probe(folder / "long.mp4") == probe(folder / "whole.mp4")
    assert {path.name for path in folder.glob("*.mp4")} == {"long.mp4", "whole.mp4"} and not list(folder.glob(".*"))


def write_table(path: Path, *rows: dict) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        table.writerows(rows)
    return path


GOOD = {"source": "cat.png", "voice": "voice.wav", "keypoints": "cat.json", "output": "out/a.mp4"}


@pytest.fixture
def batch(capsys):
    def call(manifest: Path) -> tuple[dict, list[dict]]:
        code = main(["batch", str(manifest), "--json", "--workers", "1"])
        report = json.loads(capsys.readouterr().out)
        assert code == (1 if report["failed"] else 0)
        lines = Path(report["report"]).read_text().splitlines()
        return report, [json.loads(line) for line in lines]

    return call


def test_bad_rows_are_reported_and_stop_no_other(folder, batch):
    bad = [
        {**GOOD, "source": "none.png", "output": "b.mp4"},
        {**GOOD, "blinks": "often", "output": "c.mp4"},
        {"voice": "voice.wav", "output": "d.mp4"},
        {**GOOD, "output": "cat.png"},
    ]
    report, results = batch(write_table(folder / "jobs.csv", *bad, GOOD))
    assert (report["rows"], report["made"], report["failed"]) == (5, 1, 4)
    errors = {result["line"]: result["error"] for result in results}
    assert (
        "none.png" in errors[2] and "--blinks" in errors[3] and "no source" in errors[4] and "also what is" in errors[5]
    )
    assert errors[6] is None and probe(folder / "out" / "a.mp4").frames == 5
    assert (folder / "cat.png").read_bytes()[1:4] == b"PNG"


def test_a_second_run_makes_only_what_changed_failed_or_is_gone(folder, batch):
    manifest = folder / "jobs.jsonl"
    rows = [{**GOOD, "output": f"{name}.mp4"} for name in "abc"]
    manifest.write_text("\n".join(map(json.dumps, [*rows, {**GOOD, "source": "later.png", "output": "d.mp4"}])))
    report, _ = batch(manifest)
    assert (report["made"], report["skipped"], report["failed"]) == (3, 0, 1)
    (folder / "a.mp4").unlink()
    (folder / "later.png").write_bytes((folder / "cat.png").read_bytes())
    report, _ = batch(manifest)
    assert (report["made"], report["skipped"], report["failed"]) == (2, 2, 0)
    report, _ = batch(manifest)
    assert (report["made"], report["skipped"]) == (0, 4)


def test_a_row_without_an_output_replaces_its_own_video(folder, batch):
    row = {name: value for name, value in GOOD.items() if name != "output"}
    for blinks in (0, 3):
        _, results = batch(write_table(folder / "jobs.csv", {**row, "blinks": blinks}))
        assert results[-1]["output"] == "cat-talking.mp4"
    assert len(list(folder.glob("*.mp4"))) == 1


def test_a_job_is_another_when_a_file_that_it_reads_changes(folder):
    def key() -> str:
        return row_key(Row(2, GOOD), folder)

    before = key()
    (folder / "out").mkdir()
    (folder / "out" / "a.mp4").write_text("what it writes")
    assert key() == before
    (folder / "cat.json").write_text("{}")
    assert key() != before


def test_a_torn_line_of_the_report_costs_that_row_only(tmp_path):
    (tmp_path / "a.txt").touch()
    result = Result(1, "key", "a.txt", 0.5)
    journal = Journal(tmp_path / "report.jsonl")
    journal.add(result)
    with open(journal.path, "a") as file:
        file.write('{"line": 2, "key": "other", "outp')
    journal = Journal(journal.path)
    journal.add(replace(result, key="third"))
    journal = Journal(journal.path)
    assert [journal.has(key, tmp_path) for key in ("key", "other", "third")] == [True, False, True]


def test_a_report_that_cannot_be_written_is_told_before_anything_is_made(folder, capsys):
    manifest = write_table(folder / "jobs.csv", GOOD)
    assert main(["batch", str(manifest), "--report", str(folder / "gone" / "report.jsonl")]) == 1
    assert "report.jsonl (No such folder)" in capsys.readouterr().err and not (folder / "out").exists()


def test_a_report_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OSError, match=r"the report \S*report.jsonl .No such file or directory.; make room"):
        Journal(tmp_path / "gone" / "report.jsonl").add(Result(1, "key", "a.mp4", 0.5))


@pytest.mark.parametrize(
    "name, text, says",
    [
        ("jobs.csv", "", "no rows"),
        ("jobs.csv", "source,voice\n", "no rows"),
        ("jobs.csv", "source,sauce\na,b\n", "sauce"),
        ("jobs.csv", "source,voice\na,b,c\n", "line 2"),
        ("jobs.jsonl", '{"source": "a"}\n[1]\n', "line 2"),
        ("jobs.jsonl", '{"source": "a"\n', "line 1"),
        ("jobs.jsonl", "[" * 100_000, "line 1"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_before_anything_is_made(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=says):
        read_manifest(tmp_path / name, columns())


def test_two_rows_may_not_write_one_file(folder, capsys):
    manifest = write_table(folder / "jobs.csv", GOOD, {**GOOD, "blinks": 3})
    assert main(["batch", str(manifest)]) == 1
    assert "Lines 2 and 3" in capsys.readouterr().err and not (folder / "out").exists()


@given(st.text() | st.lists(st.dictionaries(st.sampled_from(columns()), st.text())).map(json.dumps))
def test_any_text_is_rows_or_a_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("batch") / "jobs.jsonl"
    path.write_text(text, encoding="utf-8", errors="ignore")
    try:
        assert all(row.options for row in read_manifest(path, columns()))
    except ValueError as error:
        assert str(path) in str(error)
