"""Maps against uniform ones in files of equal size."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sft.codec.errors import ImageError
from napari_sft.tasks.equal_rate import EqualRate, as_dict, read_plane
from napari_sft.tasks.registry import TaskError
from napari_sft.tasks.segmentation_trial import SegmentationTrial
from napari_sft.tasks.text_trial import TextTrial, find_truth, read_truth


@dataclass
class LeftTrial:
    """Maps that care for the left half; the squared error there."""

    settings: dict = field(default_factory=lambda: {'task': 'left'})
    by_quality: bool = False
    maps: int = 0

    def find_map(self, path, plane, quality):
        self.maps += 1
        quality = np.full(plane.shape[:2], 10.0)
        quality[:, : plane.shape[1] // 2] = 90
        return quality

    def score(self, path, original, decoded):
        half = original.shape[1] // 2
        error = original[:, :half] / 255 - decoded[:, :half] / 255
        return {'square': float((error**2).mean())}

    def figures(self, scores):
        return {'error': float(np.mean([s['square'] for s in scores]))}


@pytest.fixture
def folder(tmp_path, make_picture):
    path = tmp_path / 'pictures'
    path.mkdir()
    for number in range(2):
        picture = make_picture(128, 128, seed=number)
        Image.fromarray(picture).save(path / f'{number}.png')
    return path


def test_files_are_of_equal_size_and_the_map_pays(
    folder, tmp_path, tiny_model
):
    trial = LeftTrial()
    steps = []
    study = EqualRate(folder, trial, tmp_path / 'out', (10, 60))
    study.on_step = lambda: steps.append(1)
    original, *rows = study.run()
    assert len(steps) == study.steps == 6
    assert trial.maps == 2
    assert original.uniform == original.task == {'error': 0}
    assert original.uniform_bpp == 24
    for row, quality in zip(rows, (10, 60), strict=True):
        assert row.quality == quality
        assert 0.95 * row.uniform_bpp < row.task_bpp <= row.uniform_bpp
    assert rows[1].task['error'] < rows[1].uniform['error']
    stored = as_dict([original, *rows], trial.settings)
    assert stored['task'] == 'left'
    assert stored['rows'][1]['uniform']['error'] == rows[0].uniform['error']


def test_a_trial_may_have_a_map_for_each_quality(folder, tmp_path, tiny_model):
    trial = LeftTrial(by_quality=True)
    EqualRate(folder, trial, tmp_path / 'out', (10, 60), limit=1).run()
    assert trial.maps == 2


def test_counting_maps_are_searched_at_each_quality(tmp_path, tiny_model):
    trial = SegmentationTrial(iterations=1)
    assert trial.by_quality
    assert not SegmentationTrial(kind='otsu').by_quality
    quality = trial.find_map(tmp_path / 'a.png', nuclei(12), 40)
    assert quality.shape == (96, 128)


def test_an_unknown_method_is_one_line():
    with pytest.raises(TaskError, match="no method 'kmeans'"):
        SegmentationTrial(method='kmeans')


def test_a_map_that_takes_more_than_there_is_gives_way(tmp_path, tiny_model):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    Image.fromarray(np.full((16, 32, 3), 99, np.uint8)).save(folder / '0.png')
    study = EqualRate(folder, LeftTrial(), tmp_path / 'out', (0,))
    _, row = study.run()
    assert row.task_bpp == row.uniform_bpp
    assert row.task == row.uniform


def test_a_run_goes_on_where_it_stopped(folder, tmp_path, tiny_model):
    first = EqualRate(folder, LeftTrial(), tmp_path / 'out', (10,)).run()
    trial = LeftTrial()
    again = EqualRate(folder, trial, tmp_path / 'out', (10,)).run()
    assert again == first
    assert trial.maps == 0
    more = EqualRate(folder, trial, tmp_path / 'out', (10, 40), limit=1)
    assert more.run()[1] != first[1]
    assert trial.maps == 1


def test_of_a_stack_the_plane_in_the_middle_counts(tmp_path):
    stack = np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8)
    path = tmp_path / 'stack.tif'
    tifffile.imwrite(path, stack, photometric='minisblack')
    np.testing.assert_array_equal(read_plane(path), stack[1])


def test_a_folder_without_pictures_is_one_line(tmp_path):
    with pytest.raises(ImageError, match='has no pictures'):
        EqualRate(tmp_path, LeftTrial(), tmp_path)
    with pytest.raises(ImageError, match='is no folder'):
        EqualRate(tmp_path / 'none', LeftTrial(), tmp_path)


def nuclei(radius):
    y, x = np.mgrid[:96, :128]
    picture = np.full((96, 128), 30, np.uint8)
    for at in ((30, 30), (60, 80)):
        picture[np.hypot(y - at[0], x - at[1]) <= radius] = 220
    return picture


def test_segmentation_is_judged_by_count_and_mean_area(tmp_path):
    trial = SegmentationTrial()
    path = tmp_path / 'a.png'
    same = trial.score(path, nuclei(12), nuclei(12))
    assert same['count'] == same['original count'] == 2
    smaller = trial.score(path, nuclei(12), nuclei(9))
    gone = trial.score(path, nuclei(12), np.zeros((96, 128), np.uint8))
    blank = np.zeros((96, 128), np.uint8)
    nothing = trial.score(tmp_path / 'b.png', blank, blank)
    exact = trial.figures([same, nothing])
    assert exact == {
        'count error': 0,
        'area error': 0,
        'count error (otsu)': 0,
        'area error (otsu)': 0,
    }
    figures = trial.figures([smaller, gone])
    assert figures['count error'] == 0.5
    assert figures['area error'] == pytest.approx(
        (1 - 81 / 144 + 1) / 2, abs=0.03
    )


def test_masks_say_where_the_objects_are(tmp_path):
    labels = np.zeros((96, 128), np.uint16)
    labels[:32, :32] = 5
    tifffile.imwrite(tmp_path / 'a.tif', labels)
    trial = SegmentationTrial(masks=tmp_path, kind='otsu')
    quality = trial.find_map(tmp_path / 'a.png', nuclei(12), 9)
    assert quality[10, 10] == 70
    assert quality[60, 80] == 10
    found = trial.find_map(tmp_path / 'b.png', nuclei(12), 9)
    assert found[60, 80] == 70
    black = np.zeros((32, 32), np.uint8)
    blank = trial.find_map(tmp_path / 'c.png', black, 9)
    assert (blank == 9).all()
    colours = np.zeros((8, 8, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / 'd.png')
    with pytest.raises(TaskError, match='no label image'):
        trial.find_map(tmp_path / 'd.png', nuclei(12), 9)


def test_ground_truth_is_found_beside_the_picture(tmp_path):
    picture = tmp_path / 'scan.jpg'
    assert find_truth(picture) is None
    (tmp_path / 'box').mkdir()
    (tmp_path / 'box' / 'scan.csv').touch()
    assert find_truth(picture) == tmp_path / 'box' / 'scan.csv'
    (tmp_path / 'gt_scan.txt').touch()
    assert find_truth(picture) == tmp_path / 'gt_scan.txt'
    assert find_truth(picture, tmp_path / 'box').name == 'scan.csv'


def test_ground_truth_is_read_with_its_commas(tmp_path):
    file = tmp_path / 'gt.txt'
    file.write_text(
        '\ufeff1,2,3,2,3,4,1,4,one, two\n\n5,5,9,5,9,9,5,9,###\n',
        encoding='utf-8',
    )
    ((box, word),) = read_truth(file)
    assert word == 'one, two'
    np.testing.assert_array_equal(box, [[1, 2], [3, 2], [3, 4], [1, 4]])
    file.write_text('1,2,3,word\n')
    with pytest.raises(TaskError, match='line 1: expected x1'):
        read_truth(file)


def test_reading_is_judged_by_the_ground_truth(
    fake_reader, tmp_path, make_picture
):
    (tmp_path / 'a.txt').write_text('0,0,20,0,20,9,0,9,120\n')
    picture = np.full((64, 96, 3), 120, np.uint8)
    trial = TextTrial()
    right = trial.score(tmp_path / 'a.png', picture, picture)
    assert right == {'wrong': 0, 'characters': 3}
    wrong = trial.score(tmp_path / 'a.png', picture, picture + 9)
    assert wrong == {'wrong': 1, 'characters': 3}
    assert trial.figures([right, wrong]) == {'character error rate': 1 / 6}
    assert trial.figures([]) == {'character error rate': 0}


def test_without_ground_truth_the_original_is_right(
    fake_reader, tmp_path, make_picture
):
    picture = make_picture()
    trial = TextTrial()
    path = tmp_path / 'a.png'
    same = trial.score(path, picture, picture)
    dark = trial.score(path, picture, picture // 4)
    assert same['wrong'] == 0
    assert dark['wrong'] > 0
    assert dark['characters'] == same['characters'] > 0
    assert trial.find_map(path, picture, 9)[16, 24] == 80
