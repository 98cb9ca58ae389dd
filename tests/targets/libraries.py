# SPDX-License-Identifier: MIT
"""Libraries at work for about a second of CPU time, while another thread waits for the GIL.

    libraries.py h5py|sqlite3|lxml|numpy|re|zlib|psycopg2|libpq

numpy (objects sorted), re (backtracking), zlib (by ctypes.PyDLL) keep the GIL; h5py (compressed chunks),
sqlite3 (rows sorted) and lxml (a document parsed) give it up. psycopg2 gives it up while it waits for its
server, and has it while it makes rows. `libpq` sleeps with the GIL, in a server that answers after
0.3 s: PGHOST names its folder.
"""
import ctypes
import ctypes.util
import os
import sys
import tempfile
import threading
import time

done = False


def waiter():
    while not done:
        pass


def for_a_second(function):
    end = time.process_time() + 1
    while time.process_time() < end:
        function()


def h5py_read():
    import h5py
    import numpy
    with tempfile.TemporaryDirectory() as folder, h5py.File(folder + "/x.h5", "w") as file:
        data = numpy.arange(2000000) % 1000003
        dataset = file.create_dataset("x", data=data, chunks=(100000,), compression="gzip")
        file.flush()
        for_a_second(lambda: dataset[...])


def sqlite3_sort():
    import sqlite3
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (x text)")
    connection.executemany("insert into t values (?)",
                           ((str(i * 2654435761 % 1000003),) for i in range(200000)))
    for_a_second(lambda: connection.execute("select x from t order by x, rowid desc limit 1").fetchall())


def lxml_parse():
    from lxml import etree
    text = b"<r>" + b"".join(b"<e a='%d'>text %d</e>" % (i, i) for i in range(200000)) + b"</r>"
    for_a_second(lambda: etree.fromstring(text))


def numpy_sort():
    import numpy
    data = numpy.array([i * 2654435761 % 1000003 for i in range(200000)], dtype=object)
    for_a_second(lambda: data.copy().sort())


def re_backtrack():
    import re
    pattern = re.compile("(a|aa)+b")
    for_a_second(lambda: pattern.match("a" * 30))


def zlib_deflate():
    library = ctypes.PyDLL(ctypes.util.find_library("z"))
    data = b" ".join(b"%d" % (i * i % 1000003) for i in range(200000))
    size = ctypes.c_ulong(2 * len(data))
    out = ctypes.create_string_buffer(size.value)

    def compress():
        size.value = len(out)
        library.compress2(out, ctypes.byref(size), data, ctypes.c_ulong(len(data)), 9)
    for_a_second(compress)


def psycopg2_fetch():
    import psycopg2
    cursor = psycopg2.connect(host=os.environ["PGHOST"], user="postgres", dbname="postgres").cursor()
    cursor.execute("select pg_sleep(0.3)")
    cursor.execute("create temporary table t as select i, 'text ' || i from generate_series(1, 200000) i")

    def fetch():
        cursor.execute("select * from t")
        cursor.fetchall()
    for_a_second(fetch)


def libpq_sleep():
    library = ctypes.PyDLL(ctypes.util.find_library("pq"))
    library.PQconnectdb.restype = library.PQexec.restype = ctypes.c_void_p
    library.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    connection = library.PQconnectdb(b"host=%s user=postgres dbname=postgres"
                                     % os.environ["PGHOST"].encode())
    for _ in range(3):
        library.PQexec(connection, b"select pg_sleep(0.3)")


ways = {"h5py": h5py_read, "sqlite3": sqlite3_sort, "lxml": lxml_parse, "numpy": numpy_sort,
        "re": re_backtrack, "zlib": zlib_deflate, "psycopg2": psycopg2_fetch, "libpq": libpq_sleep}
thread = threading.Thread(target=waiter)
thread.start()
try:
    ways[sys.argv[1]]()
finally:
    done = True
    thread.join()
