# SPDX-License-Identifier: MIT
"""What other users plant where root writes, readers that are not there, and names at their limit."""
import contextlib
import fcntl
import os
import random
import signal
import stat
import struct
import subprocess
import termios
import time

import harness
import pytest
from harness import giltracer, one_line_error, wait_for

AGENT = ["--gil-source", "agent", "--no-python-trace"]
NOBODY = 65534
TEXT = (b"python3 1/1 [000] 1.000000100: gil:signal: (1) cond=0x7058\n"
        b"python3 1/1 [000] 1.000000200: gil:signal: (1) cond=0x7000\n")
NEEDS_ROOT = pytest.mark.needs_root


def words_of(program, output, ran):
    """What runs this program, and writes that output. `ran`: made when the target ran."""
    if program == "giltracer":
        return [harness.GILTRACER, "-q", *AGENT, "-o", output, "-c", "open(%r, 'w')" % str(ran)]
    if program == "perf2trace":
        return [harness.PERF2TRACE, "-q", "-o", output]
    return [harness.BUILD / "offgil", "-o", output]


def start(program, output, folder):
    return harness.Run(words_of(program, output, folder / "ran"), folder, stdin=subprocess.PIPE)


def refused(program, output, folder, *words):
    run = start(program, output, folder).finish(TEXT)
    line = one_line_error(run, 125)
    for word in (str(output), *words):
        assert word in line, line
    assert not (folder / "ran").exists() and not run.leftovers()
    return line


@pytest.fixture
def shared(folder):
    """A folder of root's that everybody can write, as /tmp, or as one that chmod 777 opened."""
    path = folder / "shared"
    path.mkdir()
    path.chmod(0o777)
    return path


def give_away(path):
    os.lchown(str(path), NOBODY, NOBODY)
    return path


def folder_of_nobody(path):
    path.mkdir()
    return give_away(path)


PROGRAMS = pytest.mark.parametrize("program", ["giltracer", "perf2trace", "offgil"])


@NEEDS_ROOT
@PROGRAMS
@pytest.mark.parametrize("mode", [0o777, 0o1777], ids=oct)
def test_planted_fifo_gets_nothing(program, mode, shared, folder):
    shared.chmod(mode)
    fifo = shared / "x.html"
    os.mkfifo(str(fifo))
    give_away(fifo)
    reader = os.open(str(fifo), os.O_RDWR | os.O_NONBLOCK)
    refused(program, fifo, folder, "FIFO", "another user")
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)


@NEEDS_ROOT
@pytest.mark.parametrize("program", ["giltracer", "perf2trace"])
def test_link_to_a_device_is_not_written_through(program, shared, folder):
    """It is the output's name that is written: the link is replaced, whatever it leads to."""
    device, link = folder / "device", shared / "x.json"
    os.mknod(str(device), stat.S_IFCHR | 0o600, os.makedev(1, 7))  # writing to it fails
    link.symlink_to(device)
    give_away(link)
    run = start(program, link, folder).finish(TEXT)
    assert run.status == 0 and not run.leftovers(), run
    assert not link.is_symlink() and harness.read_json(link)["traceEvents"]
    assert stat.S_ISCHR(device.stat().st_mode)


@NEEDS_ROOT
@PROGRAMS
def test_links_of_others_on_the_way_are_refused(program, shared, folder):
    precious = folder / "precious"
    precious.mkdir()
    (shared / "below").symlink_to(precious)
    line = refused(program, shared / "below" / "x.json", folder)
    assert "link" in line and "another user" in line
    (folder / "link").symlink_to(precious)
    give_away(folder / "link")
    refused(program, folder / "link" / "x.json", folder, "link", "another user")
    assert not list(precious.iterdir())


@pytest.mark.parametrize("program", ["giltracer", "perf2trace"])
def test_linked_homes_are_followed(program, folder):
    """Links that are ours, in folders that others cannot write; also to the --keep folder."""
    (folder / "disk" / "user").mkdir(parents=True)
    (folder / "homes").symlink_to("disk")
    (folder / "user").symlink_to(folder / "homes" / "user")
    run = start(program, folder / "user" / "x.json", folder).finish(TEXT)
    assert run.status == 0, run
    assert harness.read_json(folder / "disk" / "user" / "x.json")["traceEvents"]
    run = giltracer([*AGENT, "--keep", folder / "user" / "kept", "-o", folder / "y.json", "-c", ""],
                    folder)
    assert run.status == 0 and (folder / "disk" / "user" / "kept" / "agent" / "log").exists(), run


@NEEDS_ROOT
def test_output_in_a_sticky_folder_and_in_another_users(shared, folder):
    """/tmp, and the folder of whoever root helps: nothing is in the way of that."""
    for mode, owner in ((0o1777, 0), (0o755, NOBODY)):
        shared.chmod(mode)
        os.chown(str(shared), owner, owner)
        run = start("giltracer", shared / "x.json", folder).finish()
        assert run.status == 0, run
        assert [path.name for path in shared.iterdir()] == ["x.json"]
        assert (shared / "x.json").stat().st_uid == 0


# --- --keep ----------------------------------------------------------------------------------


def keep_refused(kept, folder, *words):
    run = giltracer([*AGENT, "-o", folder / "x.json", "--keep", kept, "-c",
                     "open(%r, 'w')" % str(folder / "ran")], folder)
    line = one_line_error(run, 125)
    for word in (*words, "--keep"):
        assert word in line, line
    assert not (folder / "ran").exists()


@NEEDS_ROOT
def test_recording_is_not_kept_where_others_could_lead_it_elsewhere(shared, folder):
    keep_refused(shared, folder, "another user")
    keep_refused(shared / "new", folder, str(shared), "another user")
    assert not list(shared.iterdir())
    theirs = folder_of_nobody(folder / "theirs")
    inside = theirs / "inside"
    inside.mkdir()
    keep_refused(inside, folder, str(theirs), "another user")
    keep_refused(theirs / "new", folder, str(theirs), "another user")
    shared.chmod(0o1777)
    keep_refused(folder_of_nobody(shared / "planted"), folder, "planted", "another user")
    (shared / "link").symlink_to(folder)
    keep_refused(shared / "link", folder, "link", "another user")


@NEEDS_ROOT
@pytest.mark.needs_perf
def test_recording_replaces_what_was_planted_before(shared, folder):
    """The folder is ours alone by now; what others put there while it was not is not opened."""
    precious = folder / "precious"
    precious.write_text("")  # perf moves a file aside unless it is empty
    for name in ("perf.data", "probes.data"):
        (shared / name).symlink_to(precious)
    shared.chmod(0o755)
    run = giltracer(["--keep", shared, "-o", folder / "x.json", "-c", ""], folder)
    assert run.status == 0, run
    assert precious.read_bytes() == b""
    assert (shared / "perf.data").read_bytes()[:7] == b"PERFILE"
    assert not (shared / "perf.data").is_symlink()


def plant_for_ever(shared, precious, names):
    """Run as nobody: links, FIFOs and folders at the names that root writes to."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    chance = random.Random(1)
    targets = [str(precious / "file"), str(precious), "/dev/full"]
    while True:
        path = str(shared / chance.choice(names))
        with contextlib.suppress(OSError):
            what = chance.randrange(8)
            if what == 0:
                os.unlink(path)
                os.mkfifo(path, 0o666)
            elif what == 1:
                os.mkdir(path, 0o777)
            elif what == 2:
                os.rmdir(path)
            else:
                os.symlink(chance.choice(targets), str(shared / "new"))
                os.rename(str(shared / "new"), path)


@contextlib.contextmanager
def attacker(shared, precious, names):
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(120)
            assert os.getppid() == parent
            plant_for_ever(shared, precious, names)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@NEEDS_ROOT
def test_races_of_links_are_lost(public_folder, folder):
    """Ten thousand are in unit/test_output.c; these are the programs. Whatever is planted, each run
    writes its report, or says in one line why not."""
    shared, precious = public_folder / "shared", public_folder / "precious"
    shared.mkdir()
    shared.chmod(0o777)
    precious.mkdir()
    (precious / "file").write_text("precious")
    names = ["x.json", "below", "perf.data", "probes.data", "agent", "kept"]
    results = []
    with attacker(shared, precious, names):
        for turn in range(60):
            output = shared / ("below/x.json" if turn % 2 else "x.json")
            run = start("perf2trace", output, folder).finish(TEXT)
            results.append(run.status)
            if run.status:
                assert str(output) in one_line_error(run, 125)
        for kept in (shared, shared / "kept") * 2:
            run = giltracer([*AGENT, "-q", "-o", folder / "y.json", "--keep", kept, "-c", ""], folder)
            one_line_error(run, 125)
    assert 0 in results
    assert [path.name for path in precious.iterdir()] == ["file"]
    assert (precious / "file").read_text() == "precious"
    assert (precious / "file").stat().st_uid == 0


# --- readers -----------------------------------------------------------------------------------


@pytest.fixture
def fifo(folder):
    path = folder / "x.json"
    os.mkfifo(str(path))
    return path


def test_fifo_without_reader_is_given_up(fifo, folder):
    begin = time.monotonic()
    refused("giltracer", fifo, folder, "FIFO", "10 s")
    assert 10 <= time.monotonic() - begin < 40


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_wait_for_a_reader(number, fifo, folder):
    """Before the program runs. The other output is gone, too."""
    run = harness.start(["-q", *AGENT, "-o", folder / "a.json", "-o", fifo, "-c",
                         "open(%r, 'w')" % str(folder / "ran")], folder)
    wait_for(run.has_opened_an_output, "it opens no output")
    run.process.send_signal(number)
    run.finish(timeout=8)
    assert "before the program ran" in one_line_error(run, 128 + number)
    assert not (folder / "ran").exists() and not (folder / "a.json").exists()
    assert not run.leftovers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_wait_for_a_reader_that_reads_nothing(number, fifo, folder):
    """After the program ran: its status stays its own, the other reports are written."""
    reader = os.open(str(fifo), os.O_RDONLY | os.O_NONBLOCK)
    run = harness.start(["-q", "-o", fifo, "-o", folder / "a.json", "--gil-source", "agent", "-c",
                         "for i in range(20000): sorted([i])\nexit(3)"], folder)
    wait_for(lambda: is_full(reader), "nothing is written")
    time.sleep(0.3)
    assert run.process.poll() is None
    run.process.send_signal(number)
    run.finish(timeout=20)
    line = one_line_error(run, 3)
    assert str(fifo) in line and "interrupted" in line
    assert harness.read_json(folder / "a.json")["traceEvents"]
    os.close(reader)


def is_full(reader):
    """Has as much been written as a pipe takes?"""
    pending = fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4)
    return struct.unpack("i", pending)[0] >= 65536


def test_fifo_with_a_reader_gets_the_report(fifo, folder):
    reader = subprocess.Popen(["cat", str(fifo)], stdout=subprocess.PIPE)
    run = start("perf2trace", fifo, folder).finish(TEXT)
    assert run.status == 0, run
    assert b"traceEvents" in reader.communicate()[0]
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_standard_output_that_is_a_file_is_written_where_it_stands(folder):
    """It was once replaced: /dev/stdout itself, by root."""
    before = os.readlink("/dev/stdout")
    with open(str(folder / "out"), "wb") as out:
        run = giltracer([*AGENT, "-q", "-o", folder / "x.json", "--summary", "/dev/stdout", "-c",
                         "print('mine')"], folder, stdout=out)
    assert run.status == 0 and os.readlink("/dev/stdout") == before, run
    assert (folder / "out").read_text().startswith('mine\n{"schema":1,')


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("program, ending", [("giltracer", ".json"), ("perf2trace", ".json"),
                                             ("giltracer", ".pb.gz")])
def test_names_may_be_255_bytes_long(program, ending, folder):
    name = "n" * (255 - len(ending)) + ending
    run = start(program, folder / name, folder).finish(TEXT)
    assert run.status == 0 and (folder / name).stat().st_size > 100, run
    with contextlib.suppress(FileNotFoundError):
        (folder / "ran").unlink()
    refused(program, folder / ("n" + name), folder, "too long")
