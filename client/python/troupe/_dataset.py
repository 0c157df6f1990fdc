"""Versions of datasets, and their records without copies."""
import ctypes
import json
import os
import re
from array import array
from collections.abc import Sequence

from ._library import NOWHERE, Error, Handle, library

try:
    import numpy
except ImportError:
    numpy = None

_AT_ONCE = 4096  # records that are looked up with one call while iterating


def _bytes(text):
    return os.fsencode(os.fspath(text))


def _numpy():
    if numpy is None:
        raise Error("unavailable", "arrays need numpy", "it is not installed for this Python",
                    "install it, or use records as buffers: records[i], records.take(indexes)")
    return numpy


def _pointer(values):
    """Address and length of uint64 values, and who must stay alive for it."""
    if numpy is not None and isinstance(values, numpy.ndarray):
        if values.dtype.kind == "b":
            values = numpy.flatnonzero(values)
        values = numpy.ascontiguousarray(values, dtype=numpy.uint64).reshape(-1)
        return values.ctypes.data, len(values), values
    if not (isinstance(values, array) and values.typecode == "Q"):
        values = array("Q", values)
    address, count = values.buffer_info()
    return address, count, values


class Dataset:
    """A version on this machine, read-only. What was taken from it stays good when it is closed or forgotten."""

    def __init__(self, folder, name=None):
        self.folder = os.fspath(folder)
        self.name = name
        found = library()
        self._handle = Handle(found.dataset_open(_bytes(self.folder)), found.dataset_close)
        #: the digest that is its identity: 64 hexadecimal digits
        self.version = found.dataset_version(self._handle.pointer).decode()
        begin, size = ctypes.c_void_p(), ctypes.c_uint64()
        found.dataset_mapping(self._handle.pointer, ctypes.byref(begin), ctypes.byref(size))
        shown = (ctypes.c_ubyte * size.value).from_address(begin.value) if size.value else (ctypes.c_ubyte * 0)()
        shown.keeps = self._handle  # every view keeps `shown`, and so the mapping
        self._view = memoryview(shown).cast("B").toreadonly()

    @property
    def tables(self):
        """Paths of the files that have records."""
        found, pointer = library(), self._open().pointer
        return [found.dataset_table(pointer, i).decode() for i in range(found.dataset_tables(pointer))]

    def table(self, path):
        """The records of one file: rows of CSV and JSONL files, items of IDX files."""
        found = library()
        opened = found.records_open_table(self._open().pointer, _bytes(path))
        return Records(self, ("table", path), Handle(opened, found.records_close))

    __getitem__ = table

    def files(self, prefix=""):
        """Each file below a folder as a record, in the order of their paths."""
        found = library()
        opened = found.records_open_files(self._open().pointer, _bytes(prefix))
        return Records(self, ("files", prefix), Handle(opened, found.records_close))

    def populate(self):
        """Brings all of it into memory and waits for it: then the first pass is as fast as the second."""
        if library().dataset_populate(self._open().pointer) != 0:
            raise library().failure()

    def close(self):
        """Takes no more questions. Records and views that were taken go on."""
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __reduce__(self):
        return Dataset, (self.folder, self.name)

    def __repr__(self):
        return f"<troupe.Dataset {self.name or self.folder} {self.version[:12]}>"

    def _open(self):
        if self._handle is None:
            raise Error("invalid", "the dataset is closed", self.folder)
        return self._handle


def _reopened(folder, name, kind, path, chosen):
    data = Dataset(folder, name)
    return (data.table if kind == "table" else data.files)(path)[chosen.start:chosen.stop:chosen.step]


class Records(Sequence):
    """Records by index. `records[i]` is a read-only memoryview of the bytes where they lie: nothing is copied, but for
    records in two parts (about one in 1,300 of 784 bytes). `records[a:b]` are records again."""

    def __init__(self, data, source, handle, chosen=None):
        self._data, self._source, self._handle = data, source, handle
        self._pointer = handle.pointer
        found = library()
        count = found.records_count(self._pointer)
        self._chosen = range(count) if chosen is None else chosen
        self._whole = self._chosen == range(count)
        #: bytes of each record; 0 where they differ
        self.stride = found.records_stride(self._pointer)
        #: what is known of them: kind, columns, type, shape, ...
        self.about = json.loads(found.records_about(self._pointer))
        #: of one record: () for one number, (-1,) where nothing is known but bytes
        self.shape = tuple(self.about.get("shape", (-1,)))
        #: names of the columns of a table with a header row
        self.columns = self.about.get("columns")

    def __len__(self):
        return len(self._chosen)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Records(self._data, self._source, self._handle, self._chosen[index])
        try:
            return self._take(array("Q", (self._chosen[index],)))[0]
        except IndexError:
            raise IndexError(f"record {index} of {len(self)}") from None

    def __iter__(self):
        for begin in range(0, len(self._chosen), _AT_ONCE):
            yield from self._take(array("Q", self._chosen[begin:begin + _AT_ONCE]))

    def take(self, indexes):
        """These records, in this order, as read-only memoryviews."""
        return self._take(self._absolute(indexes))

    def array(self, index):
        """One record as a numpy array of its type and shape, read-only, where it lies."""
        return _numpy().frombuffer(self[index], self.dtype).reshape(self.shape)

    def gather(self, indexes=None, out=None, threads=1):
        """Records of one length (all, or these) copied into one new array: (n, *shape) of their type, in the machine's
        own byte order. Without numpy: a memoryview of n * stride bytes. `out`, a writable buffer that is large enough,
        is filled instead, with the bytes as they are. More threads pay from some MB on."""
        if self.stride == 0:
            raise Error("invalid", "records of different lengths are no array", str(self._source[1]),
                        "use take(indexes)")
        address, count, keeps = _pointer(self._absolute(range(len(self)) if indexes is None else indexes))
        size = count * self.stride
        result = out
        if out is None:
            result = bytearray(size) if numpy is None else numpy.empty(size, numpy.uint8)
        into, room, held = _writable(result)
        if library().records_gather(self._pointer, address, count, into, room, threads) != 0:
            raise library().failure()
        del keeps, held
        if out is not None:
            return out
        if numpy is None:
            return memoryview(result)
        result = result.view(self.dtype).reshape((count, *self.shape) if count or -1 not in self.shape else (0, self.stride))
        if not result.dtype.isnative:
            result = result.byteswap(True).view(result.dtype.newbyteorder("="))
        return result

    @property
    def dtype(self):
        """numpy's type of what the records are made of."""
        order = ">" if self.about.get("order") == "big" else "<"
        return _numpy().dtype(self.about.get("type", "uint8")).newbyteorder(order)

    def path(self, index):
        """Of records that are files."""
        path = library().records_path(self._pointer, self._chosen[index])
        if path is None:
            raise library().failure()
        return path.decode()

    def text(self, index):
        """A record as text."""
        return str(self[index], "utf-8")

    def will_need(self, indexes):
        """Asks the kernel for the pages of these records, without waiting."""
        address, count, keeps = _pointer(self._absolute(indexes))
        if library().records_will_need(self._pointer, address, count) != 0:
            raise library().failure()
        del keeps

    def __reduce__(self):
        return _reopened, (self._data.folder, self._data.name, *self._source, self._chosen)

    def __repr__(self):
        return f"<troupe.Records {self._source[1]!r}: {len(self)}{f' x {self.stride} bytes' if self.stride else ''}>"

    def _absolute(self, indexes):
        if self._whole:
            return indexes
        chosen = self._chosen
        if numpy is None or not isinstance(indexes, numpy.ndarray):
            return [chosen[index] for index in indexes]
        if len(indexes) and int(indexes.max()) >= len(chosen):
            raise Error("invalid", f"there is no record {int(indexes.max())}", f"{len(chosen)} records were chosen")
        return indexes.astype(numpy.int64) * chosen.step + chosen.start

    def _take(self, indexes):
        address, count, keeps = _pointer(indexes)
        offsets, sizes = array("Q", bytes(8 * count)), array("Q", bytes(8 * count))
        if library().records_locate(self._pointer, address, count, offsets.buffer_info()[0],
                                    sizes.buffer_info()[0]) != 0:
            raise library().failure()
        view = self._data._view
        found = [view[offset:offset + size] if offset != NOWHERE else None for offset, size in zip(offsets, sizes)]
        for i, part in enumerate(found):
            if part is None:
                found[i] = self._copy(int(keeps[i]), sizes[i])
        return found

    def _copy(self, index, size):
        copy, one = bytearray(size), array("Q", (index,))
        into, room, held = _writable(copy)
        if library().records_gather(self._pointer, one.buffer_info()[0], 1, into, room, 1) != 0:
            raise library().failure()
        del held
        return memoryview(copy).toreadonly()


def _writable(buffer):
    """Address and size of a buffer that can be written, and who must stay alive for it."""
    if numpy is not None and isinstance(buffer, numpy.ndarray):
        if not (buffer.flags.c_contiguous and buffer.flags.writeable):
            raise Error("invalid", "records cannot be copied there", "the array is not contiguous and writable")
        return buffer.ctypes.data, buffer.nbytes, buffer
    held = (ctypes.c_ubyte * memoryview(buffer).nbytes).from_buffer(buffer)
    return ctypes.addressof(held), ctypes.sizeof(held), held


def dataset(name=None, path=None):
    """The dataset that the job was given under this name; outside of jobs, `path` is a folder `<cache>/<digest>`."""
    if path is not None:
        return Dataset(path, name)
    if name is None:
        raise Error("invalid", "which dataset?", "neither a name nor a path was given")
    part = re.sub(rb"[^A-Z0-9]", b"_", name.encode().upper()).decode()  # as runtime/core/variable.hpp does
    folder = os.environ.get("TROUPE_RECORDS_" + part)
    if folder is None:
        names = sorted(key[len("TROUPE_RECORDS_"):].lower() for key in os.environ if key.startswith("TROUPE_RECORDS_"))
        raise Error("not_found", f"there is no dataset {name} here",
                    f"the job has {', '.join(names)}" if names else "this is no job, or one without datasets",
                    f"submit with --data {name}, or give path=")
    return Dataset(folder, name)
