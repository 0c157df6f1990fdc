"""troupe.comm with ranks that are processes: results, in-place use without copies, errors on every rank."""
import array
import os
import socket
import subprocess
import sys
import unittest

try:
    import numpy
except ImportError:
    print("skipped: this Python has no numpy")
    sys.exit(77)

from troupe import Error, comm


def expect(good, *what):
    if not good:
        raise AssertionError(*what)


def calls(ranks):
    me, size = ranks.rank, ranks.size
    for kind in ("float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        for count in (0, 1, 1000, 50_001):
            data = numpy.full(count, me + 1, kind)
            address = data.ctypes.data
            expect(ranks.all_reduce(data) is data and data.ctypes.data == address)
            expect((data == size * (size + 1) // 2).all(), kind, count)
    data, out = numpy.arange(12.0).reshape(3, 4) + me, numpy.zeros((3, 4))
    expect(ranks.all_reduce(data, op="max", out=out) is out)
    expect((out == numpy.arange(12.0).reshape(3, 4) + size - 1).all())
    expect(numpy.allclose(ranks.all_reduce(data, op="avg"), numpy.arange(12.0).reshape(3, 4) + (size - 1) / 2))
    expect((ranks.broadcast(numpy.full(5, me), root=1) == 1).all())
    blocks = numpy.repeat(numpy.arange(size), 3) * 10 + me
    expect((ranks.reduce_scatter(blocks, numpy.empty(3, int)) == 10 * me * size + size * (size - 1) // 2).all())
    expect((ranks.all_gather(numpy.full(2, me), numpy.empty(2 * size, int)) == numpy.repeat(numpy.arange(size), 2)).all())
    expect((ranks.all_to_all(blocks, numpy.empty(3 * size, int)) == numpy.repeat(numpy.arange(size), 3) + 10 * me).all())
    if me == 0:
        ranks.send(b"hello", to=1, type="uint8")
    if me == 1:
        expect(ranks.receive(bytearray(5), source=0) == b"hello")
    expect(ranks.all_reduce(array.array("d", [me])) == array.array("d", [size * (size - 1) / 2]))
    for op, wanted in (("sum", [1, 0, 1]), ("prod", [size == 1, 0, 1])):
        flags = ranks.all_reduce(numpy.array([me == 0, False, True]), op=op)
        expect((flags.view(numpy.uint8) == wanted).all(), op, flags)
    brain = numpy.full(3, 0x3f80, numpy.uint16)  # ones
    expect((ranks.all_reduce(brain, type="bfloat16") == {1: 0x3f80, 2: 0x4000, 3: 0x4040}[size]).all())
    ranks.barrier()


def parts(ranks):
    """The same bits whatever the number of ranks: printed, and compared by the test."""
    rng = numpy.random.default_rng(1)
    arrays = [rng.standard_normal(1000, dtype=numpy.float32) for _ in range(8)]
    begin, end = 8 * ranks.rank // ranks.size, 8 * (ranks.rank + 1) // ranks.size
    out = ranks.all_reduce_parts(arrays[begin:end], begin, 8, numpy.empty(1000, numpy.float32))
    if ranks.rank == 0:
        print(out.tobytes().hex())


def differ(ranks):
    try:
        ranks.all_reduce(numpy.zeros(100 + ranks.rank, numpy.float32))
    except Error as error:
        expect(error.code == "invalid", error)
        expect("rank 0: all_reduce of 100 float32 (sum); rank 1: all_reduce of 101 float32 (sum)" in str(error), error)
        try:
            ranks.barrier()
        except Error:
            return
    raise AssertionError("no error")


def gives_up(ranks):
    if ranks.rank == 1:
        ranks.abort("no more data")
        return
    try:
        ranks.barrier()
    except Error as error:
        expect(error.code == "failed" and "rank 1 gave up: no more data" in str(error), error)
        return
    raise AssertionError("no error")


def misuse(ranks):
    for wrong in (lambda: ranks.all_reduce(numpy.zeros(4, complex)), lambda: ranks.all_reduce(numpy.zeros((4, 4))[:, 1]),
                  lambda: ranks.all_reduce(b"1234"), lambda: ranks.all_reduce(numpy.zeros(3), op="mean"),
                  lambda: ranks.all_gather(numpy.zeros(2), numpy.zeros(7)),
                  lambda: ranks.all_reduce(numpy.zeros(4), type="float32"), lambda: ranks.all_reduce(bytearray(7), type="float32"),
                  lambda: ranks.all_reduce(numpy.zeros(3), out=numpy.zeros(3, int))):
        try:
            wrong()
        except Error as error:
            expect(error.code == "invalid")
        else:
            raise AssertionError("no error")
    ranks.close()
    try:
        ranks.barrier()
    except Error as error:
        expect("closed" in str(error))


def wrong_rank(ranks):
    for number in (-1, ranks.size, 2**32) if ranks.size == 1 else (2**32,):
        try:
            ranks.broadcast(numpy.zeros(3), root=number) if ranks.rank == 0 else ranks.barrier()
        except Error as error:
            expect(str(number) in str(error), error)
        else:
            raise AssertionError("no error")


class OnDevice:
    """An array as CuPy shows it; the invented CUDA of the test has its devices' memory in the host's."""

    def __init__(self, array, **changes):
        self.array = array
        self.__cuda_array_interface__ = dict(array.__array_interface__, **changes)


def devices():
    with comm.open_device() as ranks:
        expect((ranks.rank, ranks.size, ranks.device) == (0, 1, 0))
        for kind in ("float32", "float64", "float16", "int8", "uint8", "int32", "uint32", "int64", "uint64"):
            data, out = OnDevice(numpy.arange(7).astype(kind)), OnDevice(numpy.zeros(7, kind))
            expect(ranks.all_reduce(data, out=out) is out)
            ranks.wait()
            expect((out.array == data.array).all())
        for move in (ranks.all_gather, ranks.all_to_all, ranks.reduce_scatter):
            out = OnDevice(numpy.zeros(7))
            move(OnDevice(numpy.arange(7.0)), out)
            ranks.barrier(out)
            expect((out.array == numpy.arange(7.0)).all())
        expect(ranks.broadcast(data) is data)
        brain = OnDevice(numpy.full(3, 0x3f80, numpy.uint16))
        ranks.all_reduce(brain, type="bfloat16", op="avg")
        ranks.wait(brain)
        expect((brain.array == 0x3f80).all())
        floats = numpy.zeros((4, 4), numpy.float32)
        for wrong in (lambda: ranks.all_reduce(floats), lambda: ranks.all_reduce(OnDevice(floats, strides=(4, 16))),
                      lambda: ranks.all_reduce(OnDevice(floats, typestr="<c8")), lambda: ranks.shrink([0]),
                      lambda: ranks.all_reduce(OnDevice(floats, data=(floats.ctypes.data, True))),
                      lambda: ranks.all_gather(OnDevice(floats), OnDevice(numpy.zeros(3, numpy.float32)))):
            try:
                wrong()
            except Error as error:
                expect(error.code == "invalid", error)
            else:
                raise AssertionError("no error")
        ranks.abort("no more data")
        try:
            ranks.all_reduce(OnDevice(floats))
        except Error as error:
            expect("rank 0 gave up: no more data" in str(error), error)


def no_driver():
    os.environ["TROUPE_FAKE_NCCL"] = "driver=12020"
    try:
        comm.open_device()
    except Error as error:
        expect("the NVIDIA driver is too old: it can do CUDA 12.2" in str(error), error)
        return
    raise AssertionError("no error")


RANK_TESTS = {test.__name__: test for test in (calls, parts, differ, gives_up, misuse, wrong_rank)}


class Ranks(unittest.TestCase):
    def run_ranks(self, what, size):
        """What rank 0 printed; each rank must end well."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        ranks = []
        for rank in range(size):
            env = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
                       TROUPE_JOB_TOKEN="secret", TROUPE_COMM_DEADLINE_S="60")
            ranks.append(subprocess.Popen([sys.executable, __file__, "rank", what], env=env, text=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        texts = [rank.communicate(timeout=100)[0] for rank in ranks]
        for rank, text in zip(ranks, texts):
            self.assertEqual(rank.returncode, 0, text)
        return texts[0]

    def test_calls(self):
        for size in (2, 3):
            self.run_ranks("calls", size)

    def test_parts_do_not_depend_on_the_number_of_ranks(self):
        alone = self.run_ranks("parts", 1)
        self.assertEqual(len(alone.strip()), 8000)
        self.assertEqual(self.run_ranks("parts", 2), alone)
        self.assertEqual(self.run_ranks("parts", 3), alone)

    def test_different_sizes_are_an_error_on_every_rank(self):
        self.run_ranks("differ", 2)

    def test_a_rank_that_gives_up_ends_the_calls_of_the_others(self):
        self.run_ranks("gives_up", 3)

    def test_devices(self):
        for what in (devices, no_driver):
            made = subprocess.run([sys.executable, __file__, "device", what.__name__], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=100, env=dict(
                                      os.environ, TROUPE_COMM_NCCL=os.environ["FAKE_NCCL"],
                                      TROUPE_COMM_CUDART=os.environ["FAKE_NCCL"]))
            self.assertEqual(made.returncode, 0, made.stdout)

    def test_misuse_is_an_error(self):
        self.run_ranks("misuse", 1)

    def test_a_rank_that_is_not_there_is_an_error_on_every_rank(self):
        self.run_ranks("wrong_rank", 1)
        self.run_ranks("wrong_rank", 2)

    def test_the_interface_in_c(self):
        done = subprocess.run([os.environ["COMM_IN_C"]], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, "3\n"), done.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["rank"]:
        with comm.open() as opened:
            RANK_TESTS[sys.argv[2]](opened)
    elif sys.argv[1:2] == ["device"]:
        {"devices": devices, "no_driver": no_driver}[sys.argv[2]]()
    else:
        unittest.main()
