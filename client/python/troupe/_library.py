"""libtroupe_reader.so as Python sees it: the functions of client/reader/troupe_reader.h, and errors as exceptions."""
import ctypes
import os

ABI = 1
NOWHERE = 2**64 - 1


class Error(Exception):
    """What failed, why, and what to do about it. `code` is "not_found", "invalid", "corrupt", ..."""

    def __init__(self, code, what, detail="", hint=""):
        super().__init__(code, what, detail, hint)
        self.code, self.what, self.detail, self.hint = code, what, detail, hint

    def __str__(self):
        text = self.what + (f": {self.detail}" if self.detail else "")
        return text + (f" (hint: {self.hint})" if self.hint else "")


class _LastError(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int)] + [(name, ctypes.c_char_p) for name in ("name", "what", "detail", "hint")]


_handle, _text, _u64, _size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_size_t
_SIGNATURES = {
    "reader_abi": (ctypes.c_uint,),
    "last_error": (ctypes.POINTER(_LastError),),
    "dataset_open": (_handle, _text),
    "dataset_close": (None, _handle),
    "dataset_version": (_text, _handle),
    "dataset_mapping": (None, _handle, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(_u64)),
    "dataset_tables": (_u64, _handle),
    "dataset_table": (_text, _handle, _u64),
    "dataset_populate": (ctypes.c_int, _handle),
    "records_open_table": (_handle, _handle, _text),
    "records_open_files": (_handle, _handle, _text),
    "records_close": (None, _handle),
    "records_count": (_u64, _handle),
    "records_stride": (_u64, _handle),
    "records_about": (_text, _handle),
    "records_path": (_text, _handle, _u64),
    "records_bytes": (_u64, _handle, _u64),
    "records_locate": (ctypes.c_int, _handle, _handle, _size, _handle, _handle),
    "records_total": (_u64, _handle, _handle, _size),
    "records_gather": (ctypes.c_int, _handle, _handle, _size, _handle, _u64, ctypes.c_uint),
    "records_will_need": (ctypes.c_int, _handle, _handle, _size),
    "order_open": (_handle, _u64, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_int, _u64, _text),
    "order_close": (None, _handle),
    "order_next": (_size, _handle, _handle, _size),
    "order_next_epoch": (None, _handle),
    "order_epoch": (_u64, _handle),
    "order_left": (_u64, _handle),
    "order_cursor": (_text, _handle),
}


class _Library:
    """The functions without their prefix, as attributes."""

    def __init__(self, path):
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            raise Error("unavailable", "the record reader cannot be loaded", str(error),
                        "use the package that was built with troupe, or set TROUPE_READER_LIBRARY") from None
        for name, (result, *arguments) in _SIGNATURES.items():
            function = getattr(library, "troupe_" + name, None)
            if function is None:
                raise Error("invalid", f"{path} is too old for this package", f"it has no troupe_{name}",
                            "use both from one build")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        if self.reader_abi() < ABI:
            raise Error("invalid", f"{path} is too old for this package", f"it speaks {self.reader_abi()}, not {ABI}",
                        "use both from one build")

    def failure(self):
        last = self.last_error().contents
        return Error(*(part.decode(errors="replace") for part in (last.name, last.what, last.detail, last.hint)))


_loaded = None


def library():
    """Loaded when it is first needed, so that importing the package never fails."""
    global _loaded
    if _loaded is None:
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libtroupe_reader.so")
        _loaded = _Library(os.environ.get("TROUPE_READER_LIBRARY", beside))
    return _loaded


class Handle:
    """Something that the library gave, given back when nobody has this any more."""

    def __init__(self, pointer, close):
        if not pointer:
            raise library().failure()
        self.pointer, self._close = pointer, close

    def __del__(self):
        pointer = getattr(self, "pointer", None)
        if pointer:
            self.pointer = None
            self._close(pointer)
