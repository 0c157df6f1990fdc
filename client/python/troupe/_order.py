"""In which order training sees records: exact epochs, seeded, in shards for ranks, resumable anywhere."""
import os
import queue
import threading
from array import array

from ._library import Error, Handle, library

try:
    import numpy
except ImportError:
    numpy = None


def _rank_of(rank, ranks):
    """As the job's environment says, where the caller does not."""
    return (int(os.environ.get("RANK", 0)) if rank is None else rank,
            int(os.environ.get("WORLD_SIZE", 1)) if ranks is None else ranks)


class Order:
    """One rank's way through the epochs over `count` records (a number, or what has a length).

    Each epoch visits each record once: all ranks together, whatever their number. The order follows from seed and epoch
    alone; nothing is kept a record. `cursor` goes on where another order stood when its ranks had got equally many.
    """

    def __init__(self, count, *, seed=0, rank=None, ranks=None, shuffle=True, cursor=None):
        self.count = count if isinstance(count, int) else len(count)
        self.rank, self.ranks = _rank_of(rank, ranks)
        found = library()
        opened = found.order_open(self.count, self.rank, self.ranks, int(shuffle), seed,
                                  None if cursor is None else cursor.encode())
        self._handle = Handle(opened, found.order_close)

    def next(self, count):
        """The next indexes of this epoch, at most so many, as numpy's uint64 or array("Q"). None left: it has ended."""
        if numpy is not None:
            indexes = numpy.empty(min(count, self.left), numpy.uint64)
            library().order_next(self._handle.pointer, indexes.ctypes.data, len(indexes))
        else:
            indexes = array("Q", bytes(8 * min(count, self.left)))
            library().order_next(self._handle.pointer, indexes.buffer_info()[0], len(indexes))
        return indexes

    def __iter__(self):
        """What is left of this epoch, one index after the other."""
        while self.left:
            yield from self.next(1024).tolist()

    def next_epoch(self):
        library().order_next_epoch(self._handle.pointer)

    @property
    def left(self):
        """How many indexes are left of this rank's epoch."""
        return library().order_left(self._handle.pointer)

    @property
    def epoch(self):
        return library().order_epoch(self._handle.pointer)

    @property
    def cursor(self):
        """Where it stands, if every rank has got as many: a few characters to keep with a checkpoint."""
        return library().order_cursor(self._handle.pointer).decode()


class Batches:
    """Batches of records, gathered into one array for each table: `for images, labels in Batches(images, labels, ...)`.

    Iterating goes through what is left of an epoch; then the next epoch begins. `cursor` is where the last batch that
    came out ended: a checkpoint with it goes on there, also with another number of ranks, also after a `break`.
    `prefetch` batches are gathered ahead by a thread, which pays where the data is not in memory; where it is,
    gathering costs less than handing over. With `drop_last` every rank gets equally many batches, all of full size.
    """

    def __init__(self, *tables, size, seed=0, rank=None, ranks=None, shuffle=True, cursor=None, drop_last=False,
                 prefetch=0, threads=1):
        lengths = {len(table) for table in tables}
        if len(lengths) != 1:
            raise Error("invalid", "the tables do not belong together", f"they have {sorted(lengths)} records")
        if size < 1:
            raise Error("invalid", "a batch has at least one record", f"size={size}")
        self._tables, self._size, self._drop_last = tables, size, drop_last
        self._prefetch, self._threads = prefetch, threads
        rank, ranks = _rank_of(rank, ranks)
        self._options = {"count": lengths.pop(), "rank": rank, "ranks": ranks, "shuffle": shuffle}
        self._cursor = Order(**self._options, seed=seed, cursor=cursor).cursor

    @property
    def cursor(self):
        return self._cursor

    @property
    def epoch(self):
        return int(self._cursor.split(".")[1], 16)

    def _count(self, order):
        """Batches that are left of this epoch."""
        position = int(order.cursor.split(".")[2], 16)
        if self._drop_last:
            return (order.count - position) // order.ranks // self._size
        return -(-order.left // self._size)

    def __len__(self):
        return self._count(self._order())

    def _order(self):
        return Order(**self._options, cursor=self._cursor)

    def _made(self):
        """Each batch with the cursor behind it."""
        order = self._order()
        for _ in range(self._count(order)):
            indexes = order.next(self._size)
            arrays = tuple(table.gather(indexes, threads=self._threads) if table.stride else table.take(indexes)
                           for table in self._tables)
            yield arrays if len(arrays) > 1 else arrays[0], order.cursor
        order.next_epoch()
        yield None, order.cursor

    def __iter__(self):
        made = _ahead(self._made(), self._prefetch) if self._prefetch else self._made()
        for batch, cursor in made:
            self._cursor = cursor
            if batch is not None:
                yield batch


def _ahead(items, count):
    """The same items, made by a thread that is at most so many ahead."""
    made, stop = queue.Queue(count), threading.Event()

    def put(kind, value):
        while not stop.is_set():
            try:
                return made.put((kind, value), timeout=0.1)
            except queue.Full:
                pass

    def make():
        try:
            for item in items:
                put("item", item)
                if stop.is_set():
                    return
            put("end", None)
        except BaseException as error:  # whatever it is, it is the consumer's to see
            put("error", error)

    thread = threading.Thread(target=make, name="troupe-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = made.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        thread.join()
