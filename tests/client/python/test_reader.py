"""The Python package over real sealed versions: every record is the bytes it was, epochs are exact, views stay good."""
import gc
import multiprocessing
import os
import pickle
import random
import struct
import subprocess
import sys
import tempfile
import threading
import types
import unittest

if os.environ["NUMPY"] == "without":
    sys.modules["numpy"] = None  # as if it were not installed
try:
    import numpy
except ImportError:
    if os.environ["NUMPY"] == "with":
        print("skipped: this Python has no numpy")
        sys.exit(77)
    numpy = None

import troupe  # noqa: E402

needs_numpy = unittest.skipIf(numpy is None, "needs numpy")
without_numpy = unittest.skipIf(numpy is not None, "what is there without numpy")
ITEMS, SIDE = 3000, 28


def idx(kind, *shape):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)


class Version(unittest.TestCase):
    """A version with tables of several kinds and some files, in blocks of 64 KiB so that many records lie in two."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        source = os.path.join(cls.scratch.name, "source")
        os.makedirs(os.path.join(source, "files"))
        rng = random.Random(1)
        cls.items = [rng.randbytes(SIDE * SIDE) for _ in range(ITEMS)]
        cls.labels = rng.randbytes(ITEMS)
        cls.floats = [rng.random() for _ in range(600)]
        cls.rows = [f"{i},{'x' * (i % 90)}" for i in range(5000)]
        cls.files = {f"f{i:03}": rng.randbytes(i * 700) for i in range(130)}
        cls.write(source, "images.idx", idx(8, ITEMS, SIDE, SIDE) + b"".join(cls.items))
        cls.write(source, "labels.idx", idx(8, ITEMS) + cls.labels)
        cls.write(source, "floats.idx", idx(13, 200, 3) + struct.pack(">600f", *cls.floats))
        cls.write(source, "rows.csv", ("number,text\n" + "\n".join(cls.rows) + "\n").encode())
        for name, content in cls.files.items():
            cls.write(source, "files/" + name, content)
        sealed = subprocess.run([os.environ["SEAL_FOLDER"], source, cls.scratch.name, "4"], check=True, text=True,
                                capture_output=True)
        cls.folder = sealed.stdout.strip()

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @staticmethod
    def write(folder, name, content):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)

    def setUp(self):
        self.data = troupe.dataset(path=self.folder)
        self.images = self.data["images.idx"]


class ReaderTest(Version):
    def test_says_what_it_is(self):
        self.assertEqual(self.data.version, os.path.basename(self.folder))
        self.assertEqual(self.data.tables, ["floats.idx", "images.idx", "labels.idx", "rows.csv"])
        self.assertEqual((len(self.images), self.images.shape, self.images.stride), (ITEMS, (28, 28), 784))
        self.assertEqual(self.data["rows.csv"].columns, ["number", "text"])
        self.data.populate()

    def test_each_record_is_the_bytes_it_was(self):
        self.assertEqual([bytes(self.images[i]) for i in range(ITEMS)], self.items)
        self.assertEqual([bytes(view) for view in self.images], self.items)
        rows = self.data.table("rows.csv")
        self.assertEqual([rows.text(i) for i in range(len(rows))], self.rows)
        files = self.data.files("files")
        self.assertEqual({os.path.basename(files.path(i)): bytes(view) for i, view in enumerate(files)}, self.files)
        self.assertEqual(len(self.data.files()), len(self.files) + 4)

    def test_is_a_sequence(self):
        self.assertEqual(bytes(self.images[-1]), self.items[-1])
        part = self.images[100:10:-3]
        self.assertEqual([bytes(view) for view in part], self.items[100:10:-3])
        self.assertEqual([bytes(view) for view in part[5:9]], self.items[100:10:-3][5:9])
        self.assertEqual([bytes(view) for view in part.take([3, 0, -1])],
                         [self.items[100:10:-3][i] for i in (3, 0, -1)])
        for wrong in (ITEMS, -ITEMS - 1):
            with self.assertRaises(IndexError):
                self.images[wrong]
        with self.assertRaises(IndexError):
            part[len(part)]

    def test_records_are_views_that_cannot_be_written(self):
        whole = [view for view in self.images if not isinstance(view.obj, bytearray)]
        self.assertGreater(len(whole), ITEMS * 0.97)
        self.assertLess(len(whole), ITEMS)  # those that lie in two blocks are copies
        for view in self.images:
            with self.assertRaises(TypeError):
                view[0] = 1

    def test_views_stay_good_when_all_else_is_gone(self):
        views = self.images.take(range(50))
        tail = memoryview(views[7])[100:]
        with self.data:
            pass
        with self.assertRaises(troupe.Error):
            self.data.table("rows.csv")
        del self.images, self.data, views
        gc.collect()
        self.assertTrue(self.is_mapped())
        self.assertEqual(bytes(tail), self.items[7][100:])
        del tail
        gc.collect()
        self.assertFalse(self.is_mapped())

    def is_mapped(self):
        with open("/proc/self/maps") as maps:
            return self.folder in maps.read()

    def test_gathers(self):
        chosen = [5, 0, ITEMS - 1, 5]
        wanted = b"".join(self.items[i] for i in chosen)
        self.assertEqual(bytes(self.images.gather(chosen)), wanted)
        self.assertEqual(bytes(self.images.gather(threads=4)), b"".join(self.items))
        self.assertEqual(bytes(self.images[10:20:3].gather()), b"".join(self.items[10:20:3]))
        room = bytearray(len(wanted) + 1)
        self.assertIs(self.images.gather(chosen, out=room), room)
        self.assertEqual(bytes(room[:-1]), wanted)
        for mistake in (lambda: self.images.gather(chosen, out=bytearray(len(wanted) - 1)),
                        lambda: self.images.gather([ITEMS]), lambda: self.data["rows.csv"].gather()):
            with self.assertRaises(troupe.Error) as raised:
                mistake()
            self.assertEqual(raised.exception.code, "invalid")
        self.images.will_need(range(ITEMS))

    @without_numpy
    def test_needs_numpy_for_arrays_alone(self):
        with self.assertRaisesRegex(troupe.Error, "numpy"):
            self.images.array(0)

    @needs_numpy
    def test_arrays_have_type_and_shape(self):
        image = self.images.array(3)
        self.assertEqual((image.shape, image.dtype, image.flags.writeable), ((28, 28), numpy.uint8, False))
        self.assertEqual(image.tobytes(), self.items[3])
        self.assertTrue(any(numpy.shares_memory(image, numpy.frombuffer(view, numpy.uint8))
                            for view in self.images[3:4]), "it is no copy")
        chosen = numpy.array([4, 2, 2999])
        batch = self.images.gather(chosen)
        self.assertEqual((batch.shape, batch.flags.writeable), ((3, 28, 28), True))
        self.assertEqual(batch.tobytes(), b"".join(self.items[i] for i in chosen))
        self.assertEqual(self.images[1:][numpy.int64(1)].tobytes(), self.items[2])
        self.assertEqual(self.images[1:].gather(chosen[:2]).tobytes(), self.items[5] + self.items[3])
        labels = self.data["labels.idx"].gather(chosen)
        self.assertEqual((labels.dtype, labels.tolist()), (numpy.uint8, [self.labels[i] for i in chosen]))

    @needs_numpy
    def test_numbers_of_other_machines_come_in_this_ones_order(self):
        floats = self.data["floats.idx"]
        wanted = numpy.array(self.floats, numpy.float32).reshape(200, 3)
        self.assertTrue(numpy.array_equal(floats.array(7), wanted[7]))
        gathered = floats.gather()
        self.assertTrue(gathered.dtype.isnative)
        self.assertTrue(numpy.array_equal(gathered, wanted))

    def test_finds_what_the_job_was_given(self):
        os.environ["TROUPE_RECORDS_MY_DATA_2"] = self.folder
        try:
            self.assertEqual(troupe.dataset("my-data.2").version, self.data.version)
            with self.assertRaises(troupe.Error) as raised:
                troupe.dataset("other")
            self.assertEqual(raised.exception.code, "not_found")
            self.assertIn("my_data_2", str(raised.exception))
        finally:
            del os.environ["TROUPE_RECORDS_MY_DATA_2"]

    def test_mistakes_are_errors_with_a_cure(self):
        for mistake, code in ((lambda: troupe.dataset(path=self.folder + "x"), "not_found"),
                              (lambda: self.data["none"], "not_found"), (lambda: self.data.files("none"), "not_found"),
                              (lambda: self.images.path(0), "invalid"), (lambda: troupe.dataset(), "invalid")):
            with self.assertRaises(troupe.Error) as raised:
                mistake()
            self.assertEqual(raised.exception.code, code)
            self.assertTrue(raised.exception.what)

    def test_survives_fork_and_travels_to_other_processes(self):
        first = self.images[1]
        child = os.fork()
        if child == 0:
            good = bytes(self.images[2]) == self.items[2] and bytes(first) == self.items[1]
            del first
            self.images = self.data = None
            gc.collect()
            again = troupe.dataset(path=self.folder)
            os._exit(0 if good and bytes(again["images.idx"][2]) == self.items[2] else 1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(bytes(first), self.items[1])
        part = pickle.loads(pickle.dumps(self.images[10:20]))
        self.assertEqual([bytes(view) for view in part], self.items[10:20])
        with multiprocessing.get_context("fork").Pool(2) as pool:
            self.assertEqual(pool.map(bytes_of, [(self.images, i) for i in range(9)]), self.items[:9])

    def test_many_threads_read_at_once(self):
        wrong = []

        def read(seed):
            for i in random.Random(seed).sample(range(ITEMS), 500):
                if bytes(self.images[i]) != self.items[i]:
                    wrong.append(i)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_from_c(self):
        done = subprocess.run([os.environ["READER_IN_C"], self.folder, "images.idx"], text=True, capture_output=True)
        total = sum(map(sum, self.items))
        self.assertEqual((done.returncode, done.stdout), (0, f"{ITEMS} {total} {total}\n"))
        done = subprocess.run([os.environ["READER_IN_C"], self.folder, "none"], text=True, capture_output=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not_found: none has no records", done.stdout)


def bytes_of(job):
    return bytes(job[0][job[1]])


class OrderTest(Version):
    def test_ranks_share_an_epoch_without_overlap(self):
        for ranks in (1, 3, 7):
            seen = [i for rank in range(ranks) for i in troupe.Order(ITEMS, seed=5, rank=rank, ranks=ranks)]
            self.assertEqual(sorted(seen), list(range(ITEMS)))
        self.assertNotEqual(list(troupe.Order(ITEMS, seed=5)), list(troupe.Order(ITEMS, seed=6)))
        self.assertEqual(list(troupe.Order(self.images, seed=5)), list(troupe.Order(ITEMS, seed=5)))
        self.assertEqual(list(troupe.Order(9, shuffle=False, rank=1, ranks=2)), [1, 3, 5, 7])

    def test_goes_on_in_the_middle_with_other_ranks(self):
        before = [troupe.Order(ITEMS, seed=3, rank=rank, ranks=2) for rank in range(2)]
        seen = [i for order in before for i in list(order.next(400))]
        cursor = before[0].cursor
        self.assertEqual(cursor, before[1].cursor)
        self.assertLess(len(cursor), 50)
        after = [troupe.Order(ITEMS, rank=rank, ranks=5, cursor=cursor) for rank in range(5)]
        seen += [i for order in after for i in order]
        self.assertEqual(sorted(map(int, seen)), list(range(ITEMS)))

    def test_takes_rank_from_the_job(self):
        os.environ.update(RANK="2", WORLD_SIZE="4")
        try:
            self.assertEqual(list(troupe.Order(9, shuffle=False)), [2, 6])
        finally:
            del os.environ["RANK"], os.environ["WORLD_SIZE"]

    def test_mistakes(self):
        for mistake in (lambda: troupe.Order(9, rank=2, ranks=2), lambda: troupe.Order(9, cursor="x"),
                        lambda: troupe.Order(9, cursor="1.0.63"), lambda: troupe.Batches(self.images, size=0),
                        lambda: troupe.Batches(self.images, self.images[1:], size=2)):
            with self.assertRaises(troupe.Error):
                mistake()

    def batches(self, **options):
        return troupe.Batches(self.images, self.data["labels.idx"], **options)

    def test_batches_are_what_belongs_together(self):
        numbers = {item: i for i, item in enumerate(self.items)}
        for prefetch in (0, 3):
            batches = self.batches(size=128, seed=2, prefetch=prefetch)
            for epoch in range(2):
                self.assertEqual((batches.epoch, len(batches)), (epoch, 24))
                seen = []
                for images, labels in batches:
                    for k, label in enumerate(bytes(labels)):
                        number = numbers[bytes(images[k]) if numpy is not None else
                                         bytes(images[784 * k:784 * (k + 1)])]
                        self.assertEqual(label, self.labels[number])
                        seen.append(number)
                self.assertEqual(sorted(seen), list(range(ITEMS)))

    def test_batches_go_on_where_the_last_that_came_out_ended(self):
        whole = [bytes(labels) for _, labels in self.batches(size=100, seed=4)]
        for prefetch in (0, 2):
            batches, first = self.batches(size=100, seed=4, prefetch=prefetch), []
            for _, labels in batches:
                first.append(bytes(labels))
                if len(first) == 11:
                    break
            rest = [bytes(labels) for _, labels in batches]
            self.assertEqual(first + rest, whole)
            again = self.batches(size=100, cursor=f"4.0.{1100:x}")
            self.assertEqual([bytes(labels) for _, labels in again], rest)

    def test_ranks_that_meet_each_step_get_equally_many_full_batches(self):
        for ranks in (1, 2, 7):
            all_ranks = [[len(labels) for _, labels in self.batches(size=64, rank=rank, ranks=ranks, drop_last=True)]
                         for rank in range(ranks)]
            self.assertEqual(all_ranks, [[64] * (ITEMS // ranks // 64)] * ranks)

    def test_what_fails_ahead_fails_here(self):
        broken = types.SimpleNamespace(stride=1, gather=lambda indexes, threads: 1 // 0)
        batches = self.batches(size=10, prefetch=2)
        batches._tables = (broken,)
        with self.assertRaises(ZeroDivisionError):
            list(batches)

    def test_rows_come_as_lists_of_views(self):
        batches = troupe.Batches(self.data["rows.csv"], size=50, shuffle=False)
        self.assertEqual([str(row, "utf-8") for batch in batches for row in batch], self.rows)

    @needs_numpy
    def test_for_torch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("torch is not installed")
        from torch.utils.data import DataLoader
        from troupe.torch import BatchDataset, RecordDataset
        labels = self.data["labels.idx"]
        for workers in (0, 2):
            loader = DataLoader(RecordDataset(self.images, labels), batch_size=100, num_workers=workers)
            seen = [(images, labels) for images, labels in loader]
            self.assertEqual(b"".join(bytes(images.numpy()) for images, _ in seen), b"".join(self.items))
            loader = DataLoader(BatchDataset(self.images, labels, size=64), batch_size=None, num_workers=workers)
            seen = torch.cat([labels for _, labels in loader])
            self.assertEqual(sorted(seen.tolist()), sorted(self.labels))


del Version  # it has no tests of its own
if __name__ == "__main__":
    unittest.main()
