"""The command line: files, exit codes, one line for each error."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import napari_sft
from napari_sft.cli import app
from napari_sft.cli.encode import size_of
from napari_sft.image_files import read_picture, write_picture

COMMANDS = (
    'encode',
    'decode',
    'info',
    'verify',
    'models',
    'evaluate',
    'demo',
    'to-zarr',
    'from-zarr',
)


@pytest.fixture
def cli(tmp_path, monkeypatch, tiny_model):
    """Run the command line in an empty folder; the result."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture
def pictures(tmp_path, make_picture):
    """a.png in colour and b.tif in 16-bit gray, 40 by 50 pixels."""
    colour = make_picture(40, 50)
    gray = make_picture(40, 50, rgb=False).astype(np.uint16) * 16
    Image.fromarray(colour).save(tmp_path / 'a.png')
    write_picture(tmp_path / 'b.tif', gray, 'YX')
    return colour, gray


def only_line(result, code=1):
    """The one line of an error, with its exit code checked."""
    assert result.exit_code == code, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith('napari-sft: ')
    return line


def test_help_loads_nothing_heavy(fresh_python):
    code = (
        'import sys\n'
        'from typer.testing import CliRunner\n'
        'before = set(sys.modules)\n'
        'from napari_sft.cli import app\n'
        'result = CliRunner().invoke(app, ["--help"])\n'
        'assert result.exit_code == 0, result.output\n'
        'print(*{n.split(".")[0] for n in set(sys.modules) - before})'
    )
    heavy = {'numpy', 'torch', 'PIL', 'scipy', 'skimage', 'compressai'}
    assert not set(fresh_python(code).split()) & heavy


@pytest.mark.parametrize('command', COMMANDS)
def test_help_of_every_command_has_an_example(cli, command):
    result = cli(command, '--help')
    assert result.exit_code == 0
    assert f'  napari-sft {command}' in result.output.split('Example')[1]


def test_version_is_printed(cli):
    result = cli('--version')
    assert result.output == f'napari-sft {napari_sft.__version__}\n'


def test_python_m_runs_it(tiny_model, tmp_path):
    result = subprocess.run(
        [sys.executable, '-m', 'napari_sft', 'info', 'none.sft'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert 'none.sft' in result.stderr
    assert 'Traceback' not in result.stderr


def test_one_picture_there_and_back(cli, pictures, tmp_path):
    assert cli('encode', 'a.png', 'a.sft').exit_code == 0
    assert cli('decode', 'a.sft', 'back.png').exit_code == 0
    back = np.asarray(Image.open(tmp_path / 'back.png'))
    np.testing.assert_array_equal(back, napari_sft.imread(tmp_path / 'a.sft'))
    about = napari_sft.info(tmp_path / 'a.sft')
    assert about['provenance']['source'] == 'a.png'


def test_the_table_tells_the_real_size(cli, pictures, tmp_path):
    result = cli('encode', 'a.png', 'b.tif', '--quality', 20)
    for name in ('a.sft', 'b.sft'):
        about = napari_sft.info(tmp_path / name)
        (row,) = [x for x in result.stdout.splitlines() if name in x]
        assert f'{about["bytes"]} B' in row
        assert f'{about["bpp"]:.4f}' in row
        assert f'{about["statistics"]["psnr"]:.2f} dB' in row
    result = cli('encode', 'a.png', 'n.sft', '--no-statistics')
    (row,) = [x for x in result.stdout.splitlines() if 'n.sft' in x]
    assert 'dB' not in row


def test_many_go_into_a_folder_and_come_back_as_they_were(
    cli, pictures, tmp_path
):
    assert cli('encode', '.', '--out-dir', 'small').exit_code == 0
    assert cli('decode', 'small', '--out-dir', 'back').exit_code == 0
    colour = read_picture(tmp_path / 'back' / 'a.png')
    gray = read_picture(tmp_path / 'back' / 'b.png')
    assert (colour.data.dtype, colour.axes) == (np.uint8, 'YXS')
    assert (gray.data.dtype, gray.axes) == (np.uint16, 'YX')


def test_patterns_are_expanded_where_the_shell_does_not(
    cli, pictures, tmp_path
):
    assert cli('encode', '*.png', '--out-dir', 'small').exit_code == 0
    assert [p.name for p in (tmp_path / 'small').iterdir()] == ['a.sft']
    assert 'has no files' in only_line(cli('encode', 'x*.png'))


def test_names_keep_their_dots(cli, pictures, tmp_path):
    (tmp_path / 'a.png').rename(tmp_path / 'a.1.png')
    assert cli('encode', 'a.1.png').exit_code == 0
    result = cli('decode', 'a.1.sft', '--to', 'TIF')
    assert result.stdout == 'a.1.tif\n'
    assert cli('decode', 'a.1.sft', '--out-dir', 'd').exit_code == 0
    assert (tmp_path / 'd' / 'a.1.png').exists()


def test_the_others_go_on_when_one_fails(cli, pictures, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    result = cli('encode', 'broken.png', 'none.png', 'a.png')
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [('broken' in x, 'none' in x) for x in lines[:2]] == [
        (True, False),
        (False, True),
    ]
    assert lines[2] == 'napari-sft: 2 of 3 files failed'
    assert (tmp_path / 'a.sft').exists()


def test_existing_files_are_kept_unless_forced(cli, pictures, tmp_path):
    (tmp_path / 'a.sft').write_bytes(b'mine')
    assert '--force' in only_line(cli('encode', 'a.png', 'a.sft'))
    assert (tmp_path / 'a.sft').read_bytes() == b'mine'
    assert cli('encode', 'a.png', 'a.sft', '-f').exit_code == 0
    assert '--force' in only_line(cli('decode', 'a.sft', 'a.png'))
    assert cli('decode', 'a.sft', 'a.png', '--force').exit_code == 0


def test_two_sources_of_one_target_are_refused(cli, pictures, tmp_path):
    Image.new('L', (8, 8)).save(tmp_path / 'a.jpg')
    line = only_line(cli('encode', 'a.png', 'a.jpg'))
    assert 'a.png and a.jpg would both become a.sft' in line


def test_a_map_is_used(cli, pictures, tmp_path):
    gray = np.zeros((40, 50), np.uint8)
    gray[:16, :16] = 255
    Image.fromarray(gray).save(tmp_path / 'map.png')
    cli('encode', 'a.png', 'hard.sft', '--quality-map', 'map.png')
    cli('encode', 'a.png', 'soft.sft', '--quality-map', 'map.png',
        '--feather', 8)  # fmt: skip
    hard = napari_sft.open(tmp_path / 'hard.sft').quality_map
    soft = napari_sft.open(tmp_path / 'soft.sft').quality_map
    assert hard[0, 0] == 100
    assert hard[20, 20] == 0
    assert soft[0, 20] > hard[0, 20]


def test_a_map_of_another_size_is_resized_on_demand_only(
    cli, pictures, tmp_path
):
    Image.new('L', (25, 20), 255).save(tmp_path / 'map.png')
    wanted = ('encode', 'a.png', 'a.sft', '--quality-map', 'map.png')
    line = only_line(cli(*wanted))
    assert '25x20' in line
    assert '50x40' in line
    assert not (tmp_path / 'a.sft').exists()
    assert cli(*wanted, '--resize-map').exit_code == 0
    with napari_sft.open(tmp_path / 'a.sft') as image:
        assert image.quality_map.min() == 100


def test_the_target_is_not_exceeded(cli, pictures, tmp_path):
    free = cli('encode', 'a.png', 'free.sft', '--quality', 100)
    assert free.exit_code == 0
    size = (tmp_path / 'free.sft').stat().st_size - 1
    assert cli('encode', 'a.png', '--target-size', f'{size}B').exit_code == 0
    assert (tmp_path / 'a.sft').stat().st_size <= size
    line = only_line(cli('encode', 'a.png', 'x.sft', '--target-bpp', 0.001))
    assert 'too small' in line
    assert not (tmp_path / 'x.sft').exists()


def test_sizes_have_units():
    sizes = map(size_of, ('7', '7 B', '1.5kB', '2MB', '1KiB', '1mib'))
    assert list(sizes) == [7, 7, 1500, 2_000_000, 1024, 1 << 20]


def test_transparency_is_dropped_on_demand(cli, tmp_path):
    Image.new('RGBA', (30, 20), (9, 9, 9, 9)).save(tmp_path / 'a.png')
    assert '--alpha drop' in only_line(cli('encode', 'a.png', 'a.sft'))
    assert cli('encode', 'a.png', 'a.sft', '--alpha', 'drop').exit_code == 0
    assert napari_sft.info(tmp_path / 'a.sft')['shape'] == [20, 30, 3]


def test_axes_and_window_are_passed_on(cli, tmp_path):
    data = np.arange(2 * 20 * 30, dtype=np.float32).reshape(2, 20, 30)
    write_picture(tmp_path / 'a.tif', data, 'ZYX', scale={'Z': 3.0})
    assert cli('encode', 'a.tif', 'z.sft').exit_code == 0
    about = napari_sft.info(tmp_path / 'z.sft')
    assert about['calibration']['scale'] == [3, 1, 1]
    assert about['windows'] == [[0, 1199]]
    assert cli('encode', 'a.tif', 'c.sft', '--axes', 'cyx', '--window',
               '0,500').exit_code == 0  # fmt: skip
    about = napari_sft.info(tmp_path / 'c.sft')
    assert about['axes'] == 'CYX'
    assert about['windows'][0] == [0, 500]
    assert cli('decode', 'z.sft').stdout == 'z.tif\n'
    back = read_picture(tmp_path / 'z.tif')
    assert (back.axes, back.scale['Z']) == ('ZYX', 3)
    np.testing.assert_array_equal(
        back.data, napari_sft.imread(tmp_path / 'z.sft')
    )


def test_channels_get_windows_of_their_own(cli, tmp_path):
    data = np.arange(2 * 40 * 50, dtype=np.uint16).reshape(2, 40, 50)
    write_picture(tmp_path / 'a.tif', data, 'CYX')
    result = cli(
        *('encode', 'a.tif', '--window', '0,1999'),
        *('--window', '2000,4000'),
    )
    assert result.exit_code == 0, result.output
    windows = napari_sft.info(tmp_path / 'a.sft')['windows']
    assert windows == [[0, 1999], [2000, 4000]]


def test_tiles_and_smaller_levels_are_made_on_demand(cli, tmp_path):
    Image.fromarray(np.zeros((90, 130), np.uint8)).save(tmp_path / 'c.png')
    assert cli('encode', 'c.png', '--tile', 64, '--pyramid').exit_code == 0
    with napari_sft.open(tmp_path / 'c.sft') as image:
        assert image.chunks == (64, 64)
        assert [level.shape for level in image.levels] == [
            *((90, 130), (45, 65), (23, 33))
        ]


@pytest.mark.parametrize('workers', [1, 2])
def test_files_are_the_same_for_any_number_of_workers(
    cli, pictures, tmp_path, workers
):
    result = cli('encode', 'a.png', 'b.tif', '--workers', workers)
    assert result.exit_code == 0, result.output
    colour, _ = pictures
    alone = napari_sft.decode(napari_sft.encode(colour))
    np.testing.assert_array_equal(napari_sft.imread(tmp_path / 'a.sft'), alone)


def test_a_format_that_cannot_hold_the_image_is_one_line(
    cli, pictures, tmp_path
):
    cli('encode', 'b.tif', 'b.sft')
    line = only_line(cli('decode', 'b.sft', 'b.jpg'))
    assert 'JPEG' in line
    assert '.tif' in line
    assert not (tmp_path / 'b.jpg').exists()


def test_a_damaged_file_is_one_line(cli, pictures, tmp_path):
    cli('encode', 'a.png', 'a.sft')
    data = bytearray((tmp_path / 'a.sft').read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / 'a.sft').write_bytes(data)
    assert 'a.sft' in only_line(cli('decode', 'a.sft', 'x.png'))
    assert not (tmp_path / 'x.png').exists()


def test_files_are_verified_with_a_line_each(cli, pictures, tmp_path):
    cli('encode', 'a.png', 'b.tif', '--out-dir', 'd')
    result = cli('verify', 'd')
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith('d/a.sft: sound, ')
    assert '1 plane, 1 tile, model compact' in first
    assert second.startswith('d/b.sft: sound, ')
    data = bytearray((tmp_path / 'd/a.sft').read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / 'd/a.sft').write_bytes(data)
    result = cli('verify', 'd/a.sft', 'd/b.sft')
    assert result.exit_code == 1
    assert result.stdout.startswith('d/b.sft: sound')
    assert 'd/a.sft' in result.stderr.splitlines()[0]


@pytest.mark.parametrize(
    'arguments',
    [
        ('encode',),
        ('encode', 'a.png', '--quality', 101),
        ('encode', 'a.png', '--quality', 5, '--quality-map', 'm.png'),
        ('encode', 'a.png', '--feather', 5),
        ('encode', 'a.png', '--target-bpp', 1, '--target-size', '9kB'),
        ('encode', 'a.png', '--target-bpp', 0),
        ('encode', 'a.png', '--target-size', '9 miles'),
        ('encode', 'a.png', '--window', 'wide'),
        ('encode', 'a.png', 'b.tif', 'c.sft'),
        ('decode', 'a.sft', 'b.sft', 'c.png'),
        ('evaluate', '.', '--levels', 1),
        ('nonsense',),
    ],
)
def test_wrong_usage_is_2(cli, pictures, arguments):
    result = cli(*arguments)
    assert result.exit_code == 2
    assert 'Traceback' not in result.output


def test_an_interrupt_is_one_line_and_leaves_nothing(
    cli, pictures, tmp_path, monkeypatch
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr('napari_sft.codec.part_writer.ms_ssim', interrupt)
    before = set(tmp_path.iterdir())
    line = only_line(cli('encode', 'a.png', 'a.sft'), code=130)
    assert 'interrupted' in line
    assert set(tmp_path.iterdir()) == before


def test_what_was_not_foreseen_is_one_line_and_a_hint(
    cli, pictures, monkeypatch
):
    def fail(*_, **__):
        raise ZeroDivisionError('by\nzero')

    monkeypatch.setattr('napari_sft.imwrite', fail, raising=False)
    line = only_line(cli('encode', 'a.png', 'a.sft'))
    assert 'unexpected ZeroDivisionError: by zero' in line
    assert '--debug' in line
    shown = cli('--debug', 'encode', 'a.png', 'a.sft')
    assert shown.exit_code == 1
    assert 'Traceback' in shown.stderr


def test_info_is_json_of_what_the_file_says(cli, pictures, tmp_path):
    cli('encode', 'a.png', 'b.tif')
    one = json.loads(cli('info', 'a.sft', '--json').stdout)
    assert one == {'file': 'a.sft', **napari_sft.info(tmp_path / 'a.sft')}
    both = json.loads(cli('info', 'a.sft', 'b.sft', '--json').stdout)
    assert [row['dtype'] for row in both] == ['uint8', 'uint16']


def test_info_is_readable(cli, pictures, tmp_path):
    Image.fromarray(
        np.repeat(np.array([[0, 255]], np.uint8), 25, 1).repeat(40, 0)
    ).save(tmp_path / 'map.png')
    cli('encode', 'a.png', 'a.sft', '--quality-map', 'map.png')
    text = cli('info', 'a.sft').stdout
    assert '40 x 50 x 3' in text
    assert 'provenance: source' in text
    regions = napari_sft.info(tmp_path / 'a.sft')['statistics']['regions']
    for region in regions:
        assert f'{region["psnr"]:.2f} dB' in text


def test_models_lists_weights_and_damage(cli, tiny_model, monkeypatch):
    (found,) = [
        row
        for row in json.loads(cli('models', '--json').stdout)
        if row['path'] == str(tiny_model)
    ]
    assert found['training'] == {'note': 'untrained'}
    assert len(bytes.fromhex(found['weights'])) == 8
    assert str(tiny_model) in cli('models').stdout


def test_only_snapshots_are_imported(cli, tmp_path):
    (tmp_path / 'odd.pt').write_bytes(b'odd')
    assert 'odd.pt' in only_line(cli('models', 'import', 'odd.pt'))
    assert cli('models', 'import').exit_code == 2


def test_models_names_damaged_weights(cli, tmp_path, monkeypatch):
    (tmp_path / 'odd.safetensors').write_bytes(b'odd')
    monkeypatch.setenv('NAPARI_SFT_WEIGHTS', str(tmp_path))
    result = cli('models')
    assert result.exit_code == 0
    assert 'damaged' in result.stdout


def test_evaluate_prints_the_papers_lines(cli, pictures, tmp_path):
    (tmp_path / 'b.tif').unlink()
    result = cli('evaluate', '.', '--levels', 2, '--json', 'all.json',
                 '--compare', 'jpeg,WebP', '--gray')  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    starts = ['[ Test 0 ]', '[ Test 1 ]', '[ Test-1 ]', '[ Test ] Total mean']
    for line, start in zip(lines, starts, strict=False):
        assert line.startswith(start)
    stored = json.loads((tmp_path / 'all.json').read_text())
    first = stored['levels'][0]['mean']
    assert f'Real BPP: {first["bpp"]:.4f} |' in lines[0]
    assert f'Total mean: {stored["mean_loss"]:.4f}' in lines[3]
    assert 'jpeg (' in result.stdout
    line = only_line(cli('evaluate', '.', '--compare', 'heic'))
    assert 'heic' in line


def test_a_missing_model_is_one_line(cli, pictures):
    line = only_line(cli('encode', 'a.png', 'a.sft', '--model', 'none'))
    assert "'none'" in line
