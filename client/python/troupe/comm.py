"""Collective calls and messages among the ranks of a job: libtroupe_comm.so, the functions of client/comm/troupe_comm.h.

    from troupe import comm

    ranks = comm.open()                       # in a job: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT are set
    ranks.all_reduce(gradient)                # in place, no copies: any contiguous numpy array or writable buffer
    total = ranks.all_reduce(loss, op="max", out=numpy.empty_like(loss))

    gpus = comm.open_device()                 # over NCCL: CUDA tensors of PyTorch, arrays of CuPy
    gpus.all_reduce(gradient)                 # put on the current stream of the tensor
    gpus.wait(gradient)                       # with a deadline, and ended where a rank is lost
"""
import ctypes
import os

from ._library import Error

ABI = 1
_TYPES = {name: number for number, name in enumerate(
    ("float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"))}
_SIZES = dict(zip(_TYPES, (4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8)))
_OPS = {name: number for number, name in enumerate(("sum", "min", "max", "prod", "avg"))}
# What the standard library calls its elements; `l` and `L` are as wide as the machine says.
_FORMATS = {"f": "float32", "d": "float64", "e": "float16", "b": "int8", "B": "uint8", "c": "uint8", "?": "bool",
            "h": "int16", "H": "uint16", "i": "int32", "I": "uint32", "q": "int64", "Q": "uint64",
            "l": f"int{8 * ctypes.sizeof(ctypes.c_long)}", "L": f"uint{8 * ctypes.sizeof(ctypes.c_long)}"}


class _LastError(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int)] + [(name, ctypes.c_char_p) for name in ("name", "what", "detail", "hint")]


_handle, _data, _int, _u32, _u64, _size = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32,
                                           ctypes.c_uint64, ctypes.c_size_t)
_SIGNATURES = {
    "abi": (ctypes.c_uint,),
    "last_error": (ctypes.POINTER(_LastError),),
    "open": (_handle, ctypes.c_char_p),
    "close": (None, _handle),
    "rank": (_u32, _handle),
    "size": (_u32, _handle),
    "hosts": (_u32, _handle),
    "barrier": (_int, _handle),
    "all_reduce": (_int, _handle, _data, _data, _size, _int, _int),
    "broadcast": (_int, _handle, _data, _size, _int, _u32),
    "reduce_scatter": (_int, _handle, _data, _data, _size, _int, _int),
    "all_gather": (_int, _handle, _data, _data, _size, _int),
    "all_to_all": (_int, _handle, _data, _data, _size, _int),
    "send": (_int, _handle, _data, _size, _int, _u32),
    "receive": (_int, _handle, _data, _size, _int, _u32),
    "all_reduce_parts": (_int, _handle, ctypes.POINTER(_data), _u64, _u64, _u64, _data, _size, _int, _int),
    "abort": (None, _handle, ctypes.c_char_p),
    "device_open": (_handle, ctypes.c_char_p),
    "device_close": (None, _handle),
    "device_rank": (_u32, _handle),
    "device_size": (_u32, _handle),
    "device_number": (_int, _handle),
    "device_all_reduce": (_int, _handle, _data, _data, _size, _int, _int, _data),
    "device_broadcast": (_int, _handle, _data, _size, _int, _u32, _data),
    "device_reduce_scatter": (_int, _handle, _data, _data, _size, _int, _int, _data),
    "device_all_gather": (_int, _handle, _data, _data, _size, _int, _data),
    "device_all_to_all": (_int, _handle, _data, _data, _size, _int, _data),
    "device_send": (_int, _handle, _data, _size, _int, _u32, _data),
    "device_receive": (_int, _handle, _data, _size, _int, _u32, _data),
    "device_wait": (_int, _handle, _data),
    "device_barrier": (_int, _handle, _data),
    "device_shrink": (_handle, _handle, ctypes.POINTER(_u32), _size),
    "device_abort": (None, _handle, ctypes.c_char_p),
    "waited": (None, _u64),
}
# Of CUDA's stream that all share, whose number 0 would be the communicator's own here.
_SHARED_STREAM = 1


class _Library:
    """The functions without their prefix, as attributes."""

    def __init__(self, path):
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            raise Error("unavailable", "the communicators cannot be loaded", str(error),
                        "use the package that was built with troupe, or set TROUPE_COMM_LIBRARY") from None
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(library, "troupe_comm_" + name, None)
            if function is None:
                raise Error("invalid", f"{path} is too old for this package", f"it has no troupe_comm_{name}",
                            "use both from one build")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def failure(self):
        last = self.last_error().contents
        return Error(*(part.decode(errors="replace") for part in (last.name, last.what, last.detail, last.hint)))


_loaded = None


def _library():
    global _loaded
    if _loaded is None:
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libtroupe_comm.so")
        _loaded = _Library(os.environ.get("TROUPE_COMM_LIBRARY", beside))
    return _loaded


def _number_type(type):
    """How it travels, and whether its elements are true or false."""
    return ("uint8", True) if type == "bool" else (type, False)


class _Array:
    """Where a buffer lies, how many elements it has and of which type; keeps it from being moved meanwhile."""

    def __init__(self, buffer, type=None, writable=False):
        self.buffer = buffer
        interface = getattr(buffer, "__array_interface__", None)
        if interface is None and hasattr(buffer, "data_ptr"):  # a tensor of PyTorch; its types print as "torch.float32"
            if buffer.device.type != "cpu" or not buffer.is_contiguous():
                raise Error("invalid", "the tensor cannot be used", "it is not contiguous in the memory of the CPU",
                            "use tensor.cpu().contiguous()")
            self.type = type or str(buffer.dtype).rpartition(".")[2]
            self.address, self.bytes, each = buffer.data_ptr(), buffer.numel() * buffer.element_size(), buffer.element_size()
        else:
            view = memoryview(buffer)
            if not view.c_contiguous:
                raise Error("invalid", "the array cannot be used", "its elements do not lie one behind the other",
                            "use numpy.ascontiguousarray")
            if writable and view.readonly:
                raise Error("invalid", "the array cannot be used", "it is read-only", "")
            self.type = type or _FORMATS.get(view.format.lstrip("@=<"))
            self.bytes, each = view.nbytes, view.itemsize
            if interface is not None:
                self.address = interface["data"][0]
            elif view.readonly:
                # ctypes takes no addresses of what must not be changed; this is only read, and small.
                self.copy = ctypes.create_string_buffer(view.tobytes(), max(view.nbytes, 1))
                self.address = ctypes.addressof(self.copy)
            else:
                flat = view.cast("B") if view.nbytes else None
                self.keeps = (ctypes.c_char * view.nbytes).from_buffer(flat) if flat is not None else None
                self.address = ctypes.addressof(self.keeps) if flat is not None else ctypes.addressof(ctypes.c_char())
        self.type, self.logical = _number_type(self.type)
        if self.type not in _TYPES:
            raise Error("invalid", "the array cannot be used", f"its elements are of no type that is known: {self.type}",
                        "known are " + ", ".join(_TYPES))
        if each not in (1, _SIZES[self.type]) or self.bytes % _SIZES[self.type]:
            raise Error("invalid", "the array cannot be used", f"its elements have {each} bytes, those of {self.type} have "
                        f"{_SIZES[self.type]}", "leave `type` out where the array says it itself")
        self.count = self.bytes // _SIZES[self.type]
        self.address = self.address or ctypes.addressof(ctypes.c_char())


class _DeviceArray:
    """The same of memory of a device, and on which stream it is used."""

    def __init__(self, buffer, type=None, writable=False):
        self.buffer, self.stream = buffer, None
        if hasattr(buffer, "data_ptr"):  # a tensor of PyTorch
            if buffer.device.type != "cuda" or not buffer.is_contiguous():
                raise Error("invalid", "the tensor cannot be used", "it is not contiguous in the memory of a GPU",
                            "use tensor.cuda().contiguous(), or comm.open() for the CPU")
            self.type = type or str(buffer.dtype).rpartition(".")[2]
            self.address, self.count = buffer.data_ptr(), buffer.numel()
            bytes_each = buffer.element_size()
            import torch
            self.stream = torch.cuda.current_stream(buffer.device)
        elif (interface := getattr(buffer, "__cuda_array_interface__", None)) is not None:
            self.address, read_only = interface["data"]
            if writable and read_only:
                raise Error("invalid", "the array cannot be used", "it is read-only", "")
            bytes_each, steps, self.count = int(interface["typestr"][2:]), [], 1
            for length in reversed(interface["shape"]):
                steps.insert(0, self.count * bytes_each)
                self.count *= length
            if interface.get("strides") not in (None, tuple(steps)):
                raise Error("invalid", "the array cannot be used", "its elements do not lie one behind the other", "")
            kind = {"f": "float", "i": "int", "u": "uint", "b": "bool"}.get(interface["typestr"][1])
            self.type = type or (kind if kind == "bool" else f"{kind}{8 * bytes_each}")
        else:
            raise Error("invalid", "the array cannot be used", f"{buffer.__class__.__name__} is not in the memory of a GPU",
                        "use comm.open() for the CPU")
        self.type, self.logical = _number_type(self.type)
        if self.type not in _TYPES or _SIZES[self.type] != bytes_each:
            raise Error("invalid", "the array cannot be used", f"its elements are of no type that is known: {self.type}",
                        "known are " + ", ".join(_TYPES))


def open_device(name=""):
    """As open(), for memory of GPUs, by NCCL: each rank its own, the one of its LOCAL_RANK."""
    return DeviceCommunicator(name)


def open(name=""):
    """Waits for all ranks of the job. `name` tells several communicators of one job apart."""
    return Communicator(name)


def waited(seconds):
    """For a rank that meets the others in another library: it has ended one more collective call, or one more step, and
    waited for the others in it for so long. All ranks are to count the same; Troupe names the one that the others wait
    for. Any thread. Does nothing outside of a job of several ranks."""
    _library().waited(max(int(seconds * 1e9), 0))


class Communicator:
    """All ranks make the same calls in the same order. A call that fails ends it, for the other ranks too.

    Arrays are numpy arrays, PyTorch tensors on the CPU, or other buffers: contiguous, never copied. `type` says what
    the elements are where the array does not ("bfloat16" in an array of uint16).
    """

    _array = _Array

    def __init__(self, name=""):
        library = _library()
        self._pointer = library.open(name.encode())
        if not self._pointer:
            raise library.failure()
        self._functions = library
        self.rank, self.size = library.rank(self._pointer), library.size(self._pointer)
        self.hosts = library.hosts(self._pointer)

    def close(self):
        pointer, self._pointer = getattr(self, "_pointer", None), None
        if pointer:
            self._functions.close(pointer)

    __del__ = close

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _call(self, name, *arguments):
        if not self._pointer:
            raise Error("conflict", "the communicator is closed", "", "")
        if getattr(self._functions, name)(self._pointer, *arguments) != 0:
            raise self._functions.failure()

    def _peer(self, number):
        if 0 <= number < self.size:
            return number
        self.abort(f"it names a rank {number}")
        raise Error("invalid", f"there is no rank {number}", f"{self.size} are numbered from 0", "")

    def _pair(self, array, out, type, more_in=1, more_out=1):
        """Input, output and the number of elements in a block; `more_*` says how many blocks each has."""
        given, made = self._array(array, type), self._array(out, type, writable=True)
        if given.type != made.type or given.count * more_out != made.count * more_in or given.count % more_in:
            raise Error("invalid", "the arrays do not fit",
                        f"{given.count} {given.type} go in, {made.count} {made.type} come out, with {self.size} ranks", "")
        return given, made, given.count // more_in

    def barrier(self):
        self._call("barrier")

    def all_reduce(self, array, op="sum", out=None, type=None):
        """Into `out`, or in place; the array that has the result."""
        given, made, count = self._pair(array, array if out is None else out, type)
        self._call("all_reduce", given.address, made.address, count, _TYPES[made.type], _op(op, made))
        return made.buffer

    def broadcast(self, array, root=0, type=None):
        made = _Array(array, type, writable=True)
        self._call("broadcast", made.address, made.count, _TYPES[made.type], self._peer(root))
        return array

    def reduce_scatter(self, array, out, op="sum", type=None):
        given, made, count = self._pair(array, out, type, more_in=self.size)
        self._call("reduce_scatter", given.address, made.address, count, _TYPES[made.type], _op(op, made))
        return out

    def all_gather(self, array, out, type=None):
        given, made, count = self._pair(array, out, type, more_out=self.size)
        self._call("all_gather", given.address, made.address, count, _TYPES[made.type])
        return out

    def all_to_all(self, array, out, type=None):
        given, made, count = self._pair(array, out, type, self.size, self.size)
        self._call("all_to_all", given.address, made.address, count, _TYPES[made.type])
        return out

    def send(self, array, to, type=None):
        given = _Array(array, type)
        self._call("send", given.address, given.count, _TYPES[given.type], self._peer(to))

    def receive(self, array, source, type=None):
        made = _Array(array, type, writable=True)
        self._call("receive", made.address, made.count, _TYPES[made.type], self._peer(source))
        return array

    def all_reduce_parts(self, arrays, first, in_all, out, op="sum", type=None):
        """Reduces the arrays of all ranks, of which this one has those from number `first` on. The result depends on the
        arrays alone, in every bit, and not on how many ranks have them."""
        made = _Array(out, type, writable=True)
        given = [_Array(array, type) for array in arrays]
        if any(array.type != made.type or array.count != made.count for array in given):
            raise Error("invalid", "the arrays do not fit", "all must have the type and size of the result", "")
        places = (ctypes.c_void_p * max(len(given), 1))(*(array.address for array in given))
        self._call("all_reduce_parts", places, len(given), first, in_all, made.address, made.count, _TYPES[made.type],
                   _op(op, made))
        return out

    def abort(self, why=""):
        """Ends it for all ranks: their calls fail with this text."""
        if self._pointer:
            self._functions.abort(self._pointer, why.encode())


class DeviceCommunicator(Communicator):
    """Over memory of GPUs: tensors of PyTorch, or what has __cuda_array_interface__. Calls put work on a stream and
    return: the one that is given (a number, or an object of PyTorch or CuPy), else the tensor's current one, else the
    communicator's own. wait() ends when it is done, at the deadline, or when another rank is lost."""

    _array = _DeviceArray

    def __init__(self, name="", _opened=None):
        library = _library()
        self._pointer = _opened or library.device_open(name.encode())
        if not self._pointer:
            raise library.failure()
        self._functions = library
        self.rank, self.size = library.device_rank(self._pointer), library.device_size(self._pointer)
        self.device = library.device_number(self._pointer)

    def close(self):
        pointer, self._pointer = getattr(self, "_pointer", None), None
        if pointer:
            self._functions.device_close(pointer)

    __del__ = close

    def all_reduce(self, array, op="sum", out=None, type=None, stream=None):
        """Into `out`, or in place; the array that will have the result."""
        given, made, count = self._pair(array, array if out is None else out, type)
        self._call("device_all_reduce", given.address, made.address, count, _TYPES[made.type], _op(op, made), _stream(stream, made))
        return made.buffer

    def broadcast(self, array, root=0, type=None, stream=None):
        made = self._array(array, type, writable=True)
        self._call("device_broadcast", made.address, made.count, _TYPES[made.type], self._peer(root), _stream(stream, made))
        return array

    def reduce_scatter(self, array, out, op="sum", type=None, stream=None):
        given, made, count = self._pair(array, out, type, more_in=self.size)
        self._call("device_reduce_scatter", given.address, made.address, count, _TYPES[made.type], _op(op, made),
                   _stream(stream, made))
        return out

    def all_gather(self, array, out, type=None, stream=None):
        given, made, count = self._pair(array, out, type, more_out=self.size)
        self._call("device_all_gather", given.address, made.address, count, _TYPES[made.type], _stream(stream, made))
        return out

    def all_to_all(self, array, out, type=None, stream=None):
        given, made, count = self._pair(array, out, type, self.size, self.size)
        self._call("device_all_to_all", given.address, made.address, count, _TYPES[made.type], _stream(stream, made))
        return out

    def send(self, array, to, type=None, stream=None):
        given = self._array(array, type)
        self._call("device_send", given.address, given.count, _TYPES[given.type], self._peer(to), _stream(stream, given))

    def receive(self, array, source, type=None, stream=None):
        made = self._array(array, type, writable=True)
        self._call("device_receive", made.address, made.count, _TYPES[made.type], self._peer(source), _stream(stream, made))
        return array

    def all_reduce_parts(self, *_, **__):
        raise Error("invalid", "all_reduce_parts is for memory of the CPU", "", "use comm.open()")

    def wait(self, array=None, stream=None):
        """Until all is done that was put on this stream, or on the one on which this array is used."""
        self._call("device_wait", _stream(stream, array if array is None else self._array(array)))

    def barrier(self, array=None, stream=None):
        """wait(), and then until all ranks have come."""
        self._call("device_barrier", _stream(stream, array if array is None else self._array(array)))

    def shrink(self, without):
        """A communicator of the other ranks, which all of them make; this one has ended then."""
        gone = list(without)
        if not self._pointer:
            raise Error("conflict", "the communicator is closed", "", "")
        made = self._functions.device_shrink(self._pointer, (_u32 * max(len(gone), 1))(*gone), len(gone))
        if not made:
            raise self._functions.failure()
        return DeviceCommunicator(_opened=made)

    def abort(self, why=""):
        if self._pointer:
            self._functions.device_abort(self._pointer, why.encode())


def _stream(given, array):
    """Its number; none for the communicator's own."""
    if given is None:
        given = array.stream if array is not None else None
    if given is None:
        return None
    for name in ("cuda_stream", "ptr"):  # of PyTorch, of CuPy
        given = getattr(given, name, given)
    return int(given) or _SHARED_STREAM


def _op(name, array):
    if name not in _OPS:
        raise Error("invalid", f"there is no reduction {name}", "", "known are " + ", ".join(_OPS))
    if array.logical:  # a sum of bytes would be neither true nor false
        name = {"sum": "max", "prod": "min"}.get(name, name)
    return _OPS[name]
