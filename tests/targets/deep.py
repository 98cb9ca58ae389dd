# SPDX-License-Identifier: MIT
"""Native functions that keep the GIL, three calls below the one that Python calls.

    deep.py FOLDER WAY[,…] TIMES

FOLDER holds the modules, made of deep.c, deep_cython.pyx and deep_pybind.cpp. Another thread waits for
the GIL meanwhile. All but `nap` are 400 ms of CPU time each: a part of it in an outer function, the
rest three calls deeper.
    burn        deep.burn: deep_outer → deep_middle → deep_burn
    nap         deep.nap: deep_nap, 300 ms asleep in poll
    secret      deep.secret: deep_secret, with text on its stack
    ctypes      deep_outer by ctypes, with the GIL
    cffi        deep_with_gil by cffi, which takes the GIL that cffi gives up, and calls deep_outer
    callable    an object of C that can be called
    cython      a function of Cython's, of these deep_cython.pyx makes
    decorated   the same behind a decorator
    pybind      a method of C++, by pybind11
    rust        a function with a name of Rust's, likewise
"""
import ctypes
import functools
import sys
import threading

sys.path.insert(0, sys.argv[1])
import deep  # noqa: E402

done = False


def waiter():
    while not done:
        pass


def by_ctypes():
    function = ctypes.PyDLL(deep.__file__).deep_outer
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
    function(0.4)


def by_callable():
    deep.Burner()(0.4)


def by_cython():
    import deep_cython
    deep_cython.burn(0.4)


def counted(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)
    return wrapper


def by_decorated():
    import deep_cython
    counted(deep_cython.burn)(0.4)


def by_pybind():
    import deep_pybind
    deep_pybind.burn(0.4)


def by_rust():
    import deep_pybind
    deep_pybind.rust(0.4)


def by_cffi():
    import cffi
    ffi = cffi.FFI()
    ffi.cdef("double deep_with_gil(double);")
    ffi.dlopen(deep.__file__).deep_with_gil(0.4)


ways = {"burn": lambda: deep.burn(0.4), "nap": lambda: deep.nap(300), "ctypes": by_ctypes,
        "secret": lambda: deep.secret(), "cffi": by_cffi, "callable": by_callable, "cython": by_cython, "decorated": by_decorated,
        "pybind": by_pybind, "rust": by_rust}
thread = threading.Thread(target=waiter)
thread.start()
for name in sys.argv[2].split(","):
    for _ in range(int(sys.argv[3])):
        ways[name]()
done = True
thread.join()
