# SPDX-License-Identifier: MIT
"""A thread touches fresh pages, once with the GIL and once without: page faults by the count.

    faults.py hold|release|wait [PAGES]

`hold`: memset through ctypes.PyDLL, which keeps the GIL. `release`: through CDLL, which does not.
"""
import ctypes
import mmap
import sys
import threading


def touch(memset, pages):
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(memory, "madvise") and hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memset(address, 1, pages * mmap.PAGESIZE)


def main(mode, pages):
    library = ctypes.PyDLL(None) if mode == "hold" else ctypes.CDLL(None)
    memset = library.memset
    memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    thread = threading.Thread(target=touch, args=(memset, pages))
    thread.start()
    thread.join()


main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000)
